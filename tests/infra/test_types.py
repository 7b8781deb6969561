"""mypy over infra/: the program's files import each other by bare name."""

import pathlib
import subprocess
import sys

import pytest

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "files"),
    [
        (INFRA, [str(path) for path in sorted(INFRA.glob("*.py"))]),
        (
            INFRA.parent,
            [
                str(INFRA / name)
                for name in ("embedded_engine", "engine_host", "orchestra_provider")
            ],
        ),
    ],
)
def test_the_program_and_what_drives_it_are_typed(path, files):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(INFRA / "mypy.ini"), *files],
        env={"MYPYPATH": str(path)},
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
