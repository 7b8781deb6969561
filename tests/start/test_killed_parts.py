"""Web, worker and beat are killed at many moments of a deployment: it ends as if nothing was."""

import os
import signal
import subprocess
import sys

import pytest

from orchestra_portal.start.processes import is_free
from tests.servers import free_port
from tests.start.deploying import manage, move_memory, rows, until
from tests.start.stack import READY, run_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.timeout(900),
]
PARTS = ("web", "worker", "beat")
DEPLOYMENT = "SELECT status FROM deployments_deployment WHERE id = {0}"
PREVIEW = "SELECT id FROM deployments_run WHERE deployment_id = {0} AND operation = 'preview'"
UPDATE = "SELECT id FROM deployments_run WHERE deployment_id = {0} AND operation = 'update'"
# What is waited for before everything is killed, from the request to the last look at the checks.
MOMENTS = {
    "asked": "SELECT id FROM deployments_deployment WHERE id = {0}",
    "planning": PREVIEW + " AND status = 'running'",
    "planned": PREVIEW + " AND engine_pid IS NOT NULL",
    "decided": UPDATE,
    "begun": UPDATE + " AND status = 'running' AND last_sequence > 0",
    "under way": UPDATE + " AND last_sequence > 8",
    "verifying": DEPLOYMENT + " AND status IN ('verifying', 'succeeded')",
}


def kill(stack):
    """`kill -9` for each part; supervisord starts it anew."""
    place = ["-s", f"unix://{stack.place.socket}"]
    asked = [sys.executable, "-m", "supervisor.supervisorctl", *place, "pid"]
    for part in PARTS:
        said = subprocess.run(
            [*asked, part], check=True, capture_output=True, text=True, timeout=60
        )
        os.kill(int(said.stdout), signal.SIGKILL)


def deployed(stack, number, moment):
    """Deploys with a change of port; at the moment everything but the run is killed."""
    port = free_port()
    move_memory(stack, port)
    command = manage(stack, "deploy", "development", "--watch", "--yes")
    try:
        until(stack, MOMENTS[moment].format(number))
        kill(stack)
        text, _ = command.communicate(timeout=200)
    finally:
        if command.poll() is None:
            command.kill()
            command.communicate()
    assert command.returncode == 0, f"killed when {moment}: {text}"
    return port


def assert_whole(stack, number, moment):
    """One plan, one update, one end, every line of both in order, and nothing left behind."""
    query = f"SELECT status, verification FROM deployments_deployment WHERE id = {number}"
    assert rows(stack, query) == [("succeeded", "passed")], moment
    query = (
        "SELECT operation, status, id, last_sequence FROM deployments_run"
        f" WHERE deployment_id = {number} ORDER BY id"
    )
    runs = rows(stack, query)
    assert [row[:2] for row in runs] == [("preview", "succeeded"), ("update", "succeeded")], moment
    for *_, run, last in runs:
        query = f"SELECT sequence FROM deployments_runevent WHERE run_id = {run} ORDER BY sequence"
        assert [n for (n,) in rows(stack, query)] == list(range(1, last + 1)), moment
        query = (
            "SELECT id FROM audit_auditevent"
            f" WHERE lower(object_type) LIKE '%run' AND object_id = '{run}'"
        )
        assert rows(stack, query), f"{moment}: no audit row tells of run {run}"
    assert rows(stack, "SELECT id FROM deployments_lease WHERE run_id IS NOT NULL") == [], moment


def test_whatever_part_is_killed_the_deployment_comes_to_its_end(tmp_path):
    with run_stack(tmp_path / "home") as stack:
        stack.wait_for(READY, 120)
        for number, moment in enumerate(MOMENTS, start=1):
            port = deployed(stack, number, moment)
            assert_whole(stack, number, moment)
            assert not is_free(port), moment
        assert stack.stop(150) == 0
