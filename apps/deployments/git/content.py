"""What a program from git may hold: decided on its files, before any of them is run."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from apps.core.errors import Refused

# Of the folder's top and of every folder in it: what the digest of a program does not cover is not
# written, so that nothing runs which nobody approved (`infra/engine_host/programs.py`).
UNSEEN_FOLDERS = frozenset({"__pycache__", "venv", "var"})
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_POINTER = 1024
REQUIREMENTS = "requirements.txt"
OTHER_LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock", "Pipfile")
COMMENT = re.compile(r"(^|\s)#.*$")
HASH = re.compile(r"\s--hash=\S+")


def is_unseen(name: str) -> bool:
    """Whether a file, by its path in the program's folder, is left out of digest and tree."""
    *folders, last = name.split("/")
    if any(part.startswith(".") or part in UNSEEN_FOLDERS for part in folders):
        return True
    stack_file = last.startswith("Pulumi.") and last not in ("Pulumi.yaml", "Pulumi.yml")
    return last.startswith(".") or last.endswith(".pyc") or stack_file


def check_program(tree: Path) -> None:
    """
    A Pulumi program in Python, run from its own folder, that needs nothing which is not installed.
    Raises Refused (`source.program`, `source.content`, `source.requirements`).
    """
    _check_project(tree)
    _check_pointers(tree)
    _check_requirements(tree)


def _check_project(tree: Path) -> None:
    step = "Bring Pulumi.yaml (runtime: python) and __main__.py, or correct the folder."
    about, main = tree / "Pulumi.yaml", tree / "__main__.py"
    if not about.is_file() or not main.is_file():
        refuse("source.program", "The folder has no Pulumi.yaml or no __main__.py.", step)
    try:
        project = yaml.safe_load(about.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        project = None
    if not isinstance(project, dict):
        refuse("source.program", "Its Pulumi.yaml cannot be read.", step)
    runtime = project.get("runtime")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python" or project.get("main"):
        refuse("source.program", "Its Pulumi.yaml asks for another runtime or another main.", step)


def _check_pointers(tree: Path) -> None:
    """No filter ever runs here, so a file in LFS would be its pointer's text and not itself."""
    for path in sorted(tree.rglob("*")):
        small = path.is_file() and path.stat().st_size <= LONGEST_POINTER
        if small and path.read_bytes().startswith(LFS_POINTER):
            refuse(
                "source.content",
                f"{path.relative_to(tree).as_posix()} is kept in Git LFS, which is not fetched.",
                "Commit the file itself, or take it out of the program's folder.",
            )


def _check_requirements(tree: Path) -> None:
    """Nothing is installed for a program: what it asks for is here at that version, or it waits."""
    file = tree / REQUIREMENTS
    if not file.is_file():
        other = next((name for name in OTHER_LOCKS if (tree / name).is_file()), "")
        if other:
            refuse(
                "source.requirements",
                f"The program pins what it needs in {other}, which the portal does not read.",
                f"Export it to {REQUIREMENTS} beside it.",
            )
        return
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    for line in text.replace("\\\n", " ").splitlines():
        wanted = HASH.sub("", COMMENT.sub("", line)).strip()
        if wanted:
            _check_requirement(wanted)


def _check_requirement(wanted: str) -> None:
    shown = "".join(c if c.isprintable() else "?" for c in wanted)[:120]
    try:
        asked = Requirement(wanted)
    except InvalidRequirement:
        asked = None
    if asked is None or asked.url:
        refuse(
            "source.requirements",
            f"{REQUIREMENTS} says {shown}, which is no name with versions.",
            "Name packages and versions only: no options, addresses or other files.",
        )
    if asked.marker is not None and not asked.marker.evaluate():
        return
    try:
        version = metadata.version(canonicalize_name(asked.name))
    except metadata.PackageNotFoundError:
        version = ""
    if not version or not asked.specifier.contains(version, prereleases=True):
        here = f"{asked.name} {version}" if version else f"no {asked.name}"
        refuse(
            "source.requirements",
            f"The program needs {shown}; the portal has {here}, and installs nothing for it.",
            "Change the requirement, or add the package to the portal's own installation.",
        )


def refuse(code: str, detail: str, step: str) -> NoReturn:
    raise Refused(code, detail, next_step=step)
