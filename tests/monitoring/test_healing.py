"""Redis emptied, PostgreSQL restarted, the worker killed: in real processes, while all goes on."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.parts import PARTS, find_postgres, on_path

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOAL = 10.0


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
def test_the_portal_heals_in_seconds_loses_nothing_and_calls_nothing_down(tmp_path):
    for name, found in (("postgres", find_postgres()), ("redis", on_path("redis-server"))):
        if not found:
            pytest.skip(PARTS[name].missing())
    told = tmp_path / "found.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("ORCHESTRA_HOME", None)
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "healing.py"), str(told)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    found = json.loads(told.read_text())
    healed = found["healed"]
    assert healed["Redis emptied"] <= GOAL
    assert healed["PostgreSQL restarted"] <= GOAL
    # A new worker's start is part of it; on a busy machine that alone may take longer.
    assert healed["worker killed"] <= max(GOAL, found["started"])
    assert (found["lost"], found["not_healthy"], found["down"], found["incidents"]) == (0, 0, 0, 0)
    assert found["starts"][0] == 2, "the worker was killed once, and survived the rest"
    assert found["spoken"]
    assert found["heard"] == found["spoken"]
