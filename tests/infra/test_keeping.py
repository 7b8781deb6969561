"""A kept program is the one that ran, byte for byte, under its own digest."""

import shutil

import pytest

from infra.engine_host import programs
from infra.engine_host.keeping import keep_program
from infra.engine_host.protocol import Program, RequestError, _program


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    (folder / "parts").mkdir(parents=True)
    (folder / "__main__.py").write_text("x = 1\n")
    (folder / "parts" / "lib.py").write_text("y = 2\n")
    (folder / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    return Program("directory", str(folder))


def test_a_copy_has_the_programs_digest_and_outlives_the_program(program, tmp_path):
    digest = programs.program_digest(program)
    copy = keep_program(program, tmp_path / "shelf")
    assert copy == tmp_path / "shelf" / digest
    shutil.rmtree(program.path)
    assert programs.program_digest(Program("directory", str(copy))) == digest
    assert (copy / "parts" / "lib.py").read_text() == "y = 2\n"
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == [digest]


def test_the_built_in_program_is_kept_without_its_neighbours(tmp_path):
    copy = keep_program(Program(), tmp_path)
    assert not (copy / "engine_host").exists()
    kept = Program("builtin", str(copy))
    assert programs.program_digest(kept) == programs.program_digest(Program())
    # It runs with what is installed now, and its card says so.
    assert programs.lock_digest(kept) == programs.lock_digest(Program())


def test_a_copy_that_was_touched_is_made_anew(program, tmp_path):
    copy = keep_program(program, tmp_path / "shelf")
    (copy / "__main__.py").write_text("x = 'tampered'\n")
    assert keep_program(program, tmp_path / "shelf") == copy
    assert (copy / "__main__.py").read_text() == "x = 1\n"


def test_a_whole_copy_is_left_alone(program, tmp_path):
    copy = keep_program(program, tmp_path / "shelf")
    before = (copy / "__main__.py").stat().st_ino
    keep_program(program, tmp_path / "shelf")
    assert (copy / "__main__.py").stat().st_ino == before


def test_a_program_that_is_not_there_is_not_kept(tmp_path):
    with pytest.raises(programs.ProgramMissingError):
        keep_program(Program("directory", str(tmp_path / "nowhere")), tmp_path / "shelf")


def test_a_built_in_program_may_come_from_its_copy():
    assert _program({"kind": "builtin", "path": "/x"}) == Program("builtin", "/x")
    with pytest.raises(RequestError):
        _program({"kind": "builtin", "path": 3})
