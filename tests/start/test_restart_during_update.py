"""Web, worker and beat are restarted in the middle of an update: nothing is lost."""

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
    pytest.mark.timeout(600),
]
PARTS = ("web", "worker", "beat")
RUNNING = "SELECT status FROM deployments_run WHERE id = {}"
EVENTS = "SELECT sequence FROM deployments_runevent WHERE run_id = {} ORDER BY sequence"


def control(stack, *command):
    """What an operator types to stop and start parts of the portal."""
    place = ["-s", f"unix://{stack.place.socket}"]
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", *place, *command],
        check=True,
        capture_output=True,
        timeout=120,
    )


def test_an_update_outlives_the_portal_and_its_log_is_complete(tmp_path):
    with run_stack(tmp_path / "home") as stack:
        stack.wait_for(READY, 120)
        port = free_port()
        move_memory(stack, port)
        deploy = manage(stack, "deploy", "development", "--watch", "--yes")
        try:
            [(run, pid)] = until(
                stack,
                "SELECT id, engine_pid FROM deployments_run"
                " WHERE operation = 'update' AND status = 'running' AND engine_pid IS NOT NULL",
            )
            control(stack, "stop", *PARTS)
            # For a moment there is no portal at all, and the run goes on.
            assert rows(stack, RUNNING.format(run)) == [("running",)]
            control(stack, "start", *PARTS)
            text, _ = deploy.communicate(timeout=300)
        finally:
            if deploy.poll() is None:
                deploy.kill()
                deploy.communicate()
        assert deploy.returncode == 0, text
        # One run, one engine, one end; and every line of it in order.
        assert rows(stack, "SELECT id, status FROM deployments_run WHERE mutating") == [
            (run, "succeeded")
        ]
        [(found, last)] = rows(
            stack, f"SELECT engine_pid, last_sequence FROM deployments_run WHERE id = {run}"
        )
        assert found == pid
        numbers = [number for (number,) in rows(stack, EVENTS.format(run))]
        assert numbers == list(range(1, last + 1))
        [(status, verified)] = rows(
            stack, "SELECT status, verification FROM deployments_deployment"
        )
        assert (status, verified) == ("succeeded", "passed")
        assert not is_free(port)
        assert stack.stop(150) == 0
