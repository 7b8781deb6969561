"""The plugin that finds the machine's parts, driven in sessions of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Runs without the project's settings, so that only the plugin is under test.
COMMAND = [sys.executable, "-m", "pytest", "-p", "tests.parts", "-p", "no:django", "-p"]
COMMAND += ["no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]


@pytest.fixture
def session(tmp_path):
    """Runs pytest over one file with the given PATH and environment, and returns its output."""

    def run(text, *arguments, path="/nonexistent", **environment):
        (tmp_path / "test_it.py").write_text(text)
        inherited = {k: v for k, v in os.environ.items() if k not in {"PULUMI_ROOT", "REQUIRE"}}
        env = {**inherited, "PYTHONPATH": str(ROOT), "PATH": path, **environment}
        done = subprocess.run(
            [*COMMAND, "test_it.py", *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


NEEDS_CLI = """
import pytest
pytestmark = pytest.mark.cli
def test_one(): raise AssertionError("ran without its part")
def test_two(): raise AssertionError("ran without its part")
"""


@pytest.mark.slow
def test_a_missing_part_is_one_visible_line(session):
    code, text = session(NEEDS_CLI)
    assert "Pulumi CLI: not found, 2 tests skipped" in text
    assert code == 0


@pytest.mark.slow
def test_the_line_counts_over_all_workers(session):
    _, text = session(NEEDS_CLI, "-n", "2")
    assert text.count("Pulumi CLI: not found, 2 tests skipped") == 1


@pytest.mark.slow
def test_a_required_part_that_is_missing_fails_before_the_first_test(session):
    code, text = session("def test_it(): pass", REQUIRE="cli")
    assert code == 4
    assert "Pulumi CLI: not found, and REQUIRE asks for it" in text
    assert "passed" not in text


@pytest.mark.slow
def test_an_unknown_required_part_is_named(session):
    code, text = session("def test_it(): pass", REQUIRE="postgresql")
    assert code == 4
    assert "REQUIRE names postgresql; known parts are postgres, redis" in text


@pytest.mark.slow
def test_real_processes_stay_on_one_worker_and_quick_tests_spread(session, tmp_path):
    text = """
import os, pathlib, time, pytest
def note(kind, n): pathlib.Path(f"{kind}-{n}").write_text(os.environ["PYTEST_XDIST_WORKER"])
@pytest.mark.slow
@pytest.mark.parametrize("n", range(6))
def test_real(n): note("real", n)
@pytest.mark.parametrize("n", range(40))
def test_quick(n): time.sleep(0.02); note("quick", n)
"""
    code, output = session(text, "-n", "2")
    assert code == 0, output
    assert "46 passed" in output
    assert len({file.read_text() for file in tmp_path.glob("real-*")}) == 1
    assert len({file.read_text() for file in tmp_path.glob("quick-*")}) == 2


@pytest.mark.postgres
def test_the_server_of_the_session_answers_and_gives_databases(postgres_server):
    import psycopg

    url = postgres_server.create_database("parts_check")
    with psycopg.connect(url) as connection:
        assert connection.execute("select current_database()").fetchone() == ("parts_check",)
        assert connection.info.host == "127.0.0.1"


@pytest.mark.redis
def test_the_redis_of_the_session_answers(redis_server):
    import redis

    with redis.Redis.from_url(redis_server) as client:
        assert client.ping() is True
