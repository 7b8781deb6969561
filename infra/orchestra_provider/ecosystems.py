"""
How a package of each ecosystem is installed into a folder of its own, and how its program is
started.
"""

import configparser
import json
import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from infra.orchestra_provider.errors import ProviderError
from infra.orchestra_provider.installing import run_installer
from infra.orchestra_provider.node import find_node, npm_command


class Wanted(Protocol):
    """The part of a package's inputs that an installer needs."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def node(self) -> str | None: ...

    @property
    def program(self) -> str | None: ...

    @property
    def requires(self) -> list[str]: ...


def install_npm(wanted: Wanted, folder: Path, canceled: threading.Event) -> None:
    """Into `<folder>/node_modules`, without running a script of any package."""
    command = [
        *npm_command(find_node(wanted.node)),
        "install",
        f"--prefix={folder}",
        "--ignore-scripts",
        "--save-exact",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
        # Its own waits make more than a minute of an index that cannot be reached.
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=10000",
        "--",
        f"{wanted.name}@{wanted.version}",
        *wanted.requires,
    ]
    run_installer(command, f"Installing {wanted.name} {wanted.version} from npm", canceled)


def start_npm(wanted: Wanted, folder: Path) -> list[str]:
    """The command of the package's program. Raises ProviderError when it has none, or several."""
    package = folder / "node_modules" / wanted.name
    document = json.loads((package / "package.json").read_text(encoding="utf-8"))
    programs = document.get("bin") or {}
    if isinstance(programs, str):
        programs = {wanted.name.rpartition("/")[2]: programs}
    path = programs[_choose(wanted, programs)]
    return [find_node(wanted.node), str((package / path).resolve())]


def install_pypi(wanted: Wanted, folder: Path, canceled: threading.Event) -> None:
    """Into a virtual environment, from wheels only: no package runs code while it is installed."""
    what = f"Installing {wanted.name} {wanted.version} from PyPI"
    run_installer([sys.executable, "-m", "venv", str(folder)], what, canceled)
    command = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--only-binary=:all:",
        f"{wanted.name}=={wanted.version}",
        *wanted.requires,
    ]
    run_installer(command, what, canceled)


def start_pypi(wanted: Wanted, folder: Path) -> list[str]:
    """
    As `start_npm`. The script is given to the interpreter: its first line names a folder that was
    renamed.
    """
    normal = _normal(wanted.name)
    for record in folder.glob("lib/python*/site-packages/*.dist-info"):
        if _normal(record.name.split("-")[0]) != normal:
            continue
        entries = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        entries.read(record / "entry_points.txt", encoding="utf-8")
        scripts = dict(entries["console_scripts"]) if "console_scripts" in entries else {}
        script = folder / "bin" / _choose(wanted, scripts)
        return [str(folder / "bin" / "python"), str(script)]
    raise _unstartable(wanted, "its installation left no record")


def _choose(wanted: Wanted, programs: Mapping[str, str]) -> str:
    if wanted.program:
        if wanted.program in programs:
            return wanted.program
        raise _unstartable(wanted, f"it has no program {wanted.program}")
    if len(programs) == 1:
        return next(iter(programs))
    short = wanted.name.rpartition("/")[2]
    for name in (short, _normal(short), f"mcp-{short}"):
        if name in programs:
            return name
    known = (
        f"it has the programs {', '.join(sorted(programs))}" if programs else "it has no program"
    )
    raise _unstartable(wanted, known)


def _unstartable(wanted: Wanted, why: str) -> ProviderError:
    return ProviderError(
        "package.failed",
        f"{wanted.name} {wanted.version} cannot be started: {why}.",
        "name the program in the settings, or take another package.",
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
