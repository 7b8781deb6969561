"""Keeps a program by its digest, so that a rollback runs what ran then and not what is here now."""

import shutil
import tempfile
from pathlib import Path

from infra.engine_host import programs
from infra.engine_host.protocol import Program


def keep_program(program: Program, shelf: Path) -> Path:
    """
    Copies the program's files to `<shelf>/<digest>` unless they are there already, whole. Answers
    the copy's folder, named by what was copied and not by what was looked at before. Raises
    ProgramMissingError, OSError.
    """
    folder = programs.program_folder(program)
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = programs.program_digest(program)
    if found and programs.program_digest(Program(program.kind, str(shelf / found))) == found:
        return shelf / found
    with tempfile.TemporaryDirectory(dir=shelf, prefix=".new-") as scratch:
        copy = Path(scratch) / "program"
        for path in programs.program_files(program):
            place = copy / path.relative_to(folder)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        digest = programs.program_digest(Program(program.kind, str(copy)))
        target = shelf / str(digest)
        # What is there under this name is not what it says: damaged since, or half a copy.
        shutil.rmtree(target, ignore_errors=True)
        copy.rename(target)
    return target
