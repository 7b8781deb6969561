"""What is deployed: the built-in program or a folder of the team's own, with its digest."""

import hashlib
import os
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from infra.engine_host.protocol import Program

INFRA = Path(__file__).resolve().parent.parent
PROVIDER = INFRA / "orchestra_provider"
LOCK_FILES = ("requirements.txt", "uv.lock", "poetry.lock", "Pipfile.lock")


class ProgramMissingError(Exception):
    """There is nothing to run at the path of the request."""


def program_folder(program: Program) -> Path:
    """The folder of `Pulumi.yaml` and `__main__.py`. Raises ProgramMissingError."""
    folder = INFRA if program.path is None else Path(program.path)
    for name in ("__main__.py", "Pulumi.yaml"):
        if not (folder / name).is_file():
            raise ProgramMissingError(f"{folder} holds no {name}.")
    return folder


def program_digest(program: Program) -> str | None:
    """SHA-256 over names and contents; None when the program is not there."""
    try:
        return _digest(program_folder(program), program_files(program))
    except ProgramMissingError:
        return None


def program_files(program: Program) -> list[Path]:
    """What the digest covers, in its order. Raises ProgramMissingError."""
    folder = program_folder(program)
    if program.kind == "builtin":
        # The neighbours (host, engine, provider) carry versions of their own.
        return [*sorted(folder.glob("*.py")), folder / "Pulumi.yaml"]
    return list(_tree(folder))


def lock_digest(program: Program) -> str | None:
    """SHA-256 of the file that pins the program's dependencies; None without one."""
    # A kept copy of the built-in program runs with what is installed here, too.
    folder = INFRA.parent if program.kind == "builtin" else Path(program.path or INFRA)
    found = [folder / name for name in LOCK_FILES if (folder / name).is_file()]
    return _digest(folder, found) if found else None


def provider_digest() -> str:
    return _digest(PROVIDER, _tree(PROVIDER))


def _tree(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            n for n in folders if not n.startswith(".") and n not in ("__pycache__", "venv", "var")
        )
        for name in sorted(names):
            path = Path(parent) / name
            # Stack files hold configuration, which has a digest of its own.
            stack_file = name.startswith("Pulumi.") and name not in ("Pulumi.yaml", "Pulumi.yml")
            if not (name.startswith(".") or name.endswith(".pyc") or stack_file):
                yield path


def _digest(folder: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def load_program(program: Program) -> Callable[[], Any]:
    """
    The function that the Automation API runs. Errors of the program come out of that function,
    where
    the engine reports them as the program's own.
    """
    folder = program_folder(program)

    def run() -> Any:
        # As Pulumi's own launcher does: siblings are imported by bare name.
        sys.path.insert(0, str(folder))
        main = str(folder / "__main__.py")
        if program.kind == "builtin":
            return runpy.run_path(main, run_name="orchestra_program")["program"]()
        os.chdir(folder)
        runpy.run_path(main, run_name="__main__")
        return None

    return run
