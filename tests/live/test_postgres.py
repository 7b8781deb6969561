"""The stream on the scaled topology's database."""

import os
import pathlib
import secrets
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.postgres
def test_the_stream_holds_its_promises_on_postgresql(postgres_server):
    name = f"live_{secrets.token_hex(4)}"
    environment = {**os.environ, "DATABASE_URL": postgres_server.create_database(name)}
    environment.pop("ORCHESTRA_HOME", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "tests/live/on_postgres.py", "tests/live/test_stream.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
