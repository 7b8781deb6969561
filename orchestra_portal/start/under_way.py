"""
Runs in the virtual environment: which runs are under way, and waiting for them to end.

`python -m orchestra_portal.start.under_way --wait SECONDS` prints one line of JSON for each run
that is under way whenever that set changes, then `[]` when none is left. Exit status 1 when the
time was over first. With `--after COMMAND…` it first runs the command to its end, passing on
signals, and then waits for the runs of this host: what a worker's container needs, because a
container ends with its first process.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from orchestra_portal.start.processes import read_process

POLL = 0.5
# They have a process. A queued run has none, and waits for the next start.
BUSY = ("starting", "running", "canceling")


def runs_under_way(host: str | None) -> list[dict[str, str]]:
    """Runs with a process, on one host or any: run, operation, environment and status of each."""
    from apps.deployments.models import Run  # noqa: PLC0415 - the app registry must be ready first

    runs = Run.objects.filter(status__in=BUSY).select_related("stack__environment").order_by("pk")
    if host:
        runs = runs.filter(host=host)
    return [
        {
            "run": str(run.pk),
            "operation": str(run.operation),
            "environment": str(run.stack.environment.slug),
            "status": str(run.status),
        }
        for run in runs
        if not is_gone(run.host, run.pid, run.start_ticks)
    ]


def is_gone(host: str, pid: int | None, start_ticks: int | None) -> bool:
    """Whether a run's process was here and is no more: then the sweeper decides, not a wait."""
    if host != socket.gethostname() or pid is None:
        return False
    process = read_process(pid)
    return process is None or process.start_ticks != start_ticks


def run_to_the_end(command: Sequence[str]) -> int:
    """Runs a command as the container's main process would run, and returns its exit status."""
    process = subprocess.Popen(command)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: process.send_signal(received))
    return process.wait()


def wait_for_runs(host: str | None, limit: float) -> bool:
    """Follows the runs until none is under way; False when the time was over first."""
    import django  # noqa: PLC0415 - settings are read here, not on import

    django.setup()
    deadline = time.monotonic() + limit
    shown = None
    while True:
        rows = runs_under_way(host)
        if rows != shown:
            sys.stdout.write(f"{json.dumps(rows)}\n")
            sys.stdout.flush()
            shown = rows
        if not rows:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)


def main(arguments: Sequence[str]) -> int:
    """The entry; see the module's text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--after", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    code = run_to_the_end(chosen.after) if chosen.after else 0
    done = wait_for_runs(socket.gethostname() if chosen.after else None, chosen.wait)
    return code or (0 if done else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
