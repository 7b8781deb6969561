"""
How long a rollback of the built-in program takes: from the request to the old revision verified.

Goal: within 5 minutes. Starts a portal of its own, deploys development, deploys a bad revision over
it (another port, another pinned timeout), and goes back. Needs a package index for the first
deployment. Usage: bench/rollback.py
"""

from __future__ import annotations

import pathlib
import sys
import tempfile
import time

from orchestra_portal.start.processes import is_free
from tests.servers import free_port
from tests.start.deploying import carried_out, move_memory, rows
from tests.start.stack import READY, Stack, run_stack

GOAL = 300.0
NEWEST = "SELECT status, verification, kind FROM deployments_deployment ORDER BY id DESC LIMIT 1"
RUNS = (
    "SELECT operation, round((julianday(finished_at) - julianday(started_at)) * 86400, 2)"
    " FROM deployments_run WHERE deployment_id = (SELECT max(id) FROM deployments_deployment)"
    " ORDER BY id"
)


def timed(stack: Stack, *arguments: str) -> float:
    """Seconds of a command that watches to the end; raises when the end is not a verified one."""
    began = time.monotonic()
    carried_out(stack, *arguments, "development", "--watch", "--yes")
    found = rows(stack, NEWEST)[0]
    assert found[:2] == ("succeeded", "passed"), found
    return time.monotonic() - began


def main() -> int:
    old, new = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="rollback-") as folder,
        run_stack(pathlib.Path(folder) / "home") as stack,
    ):
        stack.wait_for(READY, 120)
        move_memory(stack, old)
        print(
            f"first deployment   {timed(stack, 'deploy'):7.2f} s   packages installed", flush=True
        )
        move_memory(stack, new)
        print(f"bad revision       {timed(stack, 'deploy'):7.2f} s", flush=True)
        assert is_free(old)
        took = timed(stack, "roll_back")
        assert not is_free(old), "the old server does not answer"
        assert is_free(new), "the new server is still there"
        parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in rows(stack, RUNS))
        print(f"rollback           {took:7.2f} s   {parts}; goal {GOAL:.0f} s", flush=True)
        [(holds,)] = rows(stack, "SELECT count(*) FROM deployments_hold WHERE lifted_at IS NULL")
        assert holds == 1
        stack.stop(150)
    return 0 if took <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
