"""
How soon an approved deployment begins once what it waited for is gone, with a real worker.

Starts a portal of its own and drives it as a program does, over REST: each gate is closed, a change
of development is asked for and confirmed, what it waits for is read (by whom, since and until
when), and the gate is opened by a hand or by the clock. Counted is until the run process is at
work. Goal: within 10 s. Needs a package index for the first deployment. Usage: bench/waiting.py
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.servers import free_port
from tests.start.deploying import carried_out, move_memory, rows
from tests.start.stack import READY, Stack, run_stack

GOAL = 10.0
LIMIT = 180.0
# How long the gate that opens by the clock is closed: longer than a plan takes.
CLOSED = 45.0
BEGUN = (
    "SELECT (julianday(started_at) - 2440587.5) * 86400 FROM deployments_run"
    " WHERE operation = 'update' AND deployment_id = {} AND started_at IS NOT NULL"
)


@dataclasses.dataclass
class Program:
    """A program on the REST API of a stack."""

    stack: Stack
    token: str

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a GET, or of a POST when there is a body; a refusal is an answer."""
        request = urllib.request.Request(
            f"{self.stack.place.url}api/v1/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def taken(self, path: str, body: Any, **headers: str) -> Any:
        """The same; raises with the answer when it is a refusal."""
        status, answer = self.ask(path, body, **headers)
        if status >= 400:
            raise AssertionError(f"{path}: {status} {answer}")
        return answer

    def until(self, deployment: int, *wanted: str) -> Any:
        """The deployment once it has one of these statuses."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            _, found = self.ask(f"deployments/{deployment}/")
            if found["status"] in wanted:
                return found
            time.sleep(0.5)
        raise AssertionError(f"not {wanted} within {LIMIT:.0f} s: {found}")

    def confirmed(self, deployment: int) -> Any:
        """Its plan, approved as it was read."""
        plan = self.until(deployment, "awaiting_approval")
        return self.taken(
            f"deployments/{deployment}/approve/", {}, If_Match=f'"{plan["fingerprint"]}"'
        )


def later(seconds: float) -> str:
    """A moment from now, as the API takes it."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return moment.isoformat()


def close_freeze(program: Program) -> Callable[[], float]:
    path = "environments/development/freezes/"
    row = program.taken(path, {"reason": "bench", "ends_at": later(3600)})
    return by_hand(program, f"{path}{row['id']}/lift/", {})


def close_until(program: Program) -> Callable[[], float]:
    end = time.time() + CLOSED
    path = "environments/development/freezes/"
    program.taken(path, {"reason": "bench", "ends_at": later(CLOSED)})

    def wait() -> float:
        time.sleep(max(0.0, end - time.time()))
        return end

    return wait


def close_lock(program: Program) -> Callable[[], float]:
    carried_out(
        program.stack, "lock_environment", "development", "--as", "second",
        "--until", later(3600)[:16], "--reason", "bench",
    )  # fmt: skip
    _, found = program.ask("locks/")
    return by_hand(program, f"locks/{found['results'][0]['id']}/release/", {"reason": "bench"})


def stop_line(program: Program) -> Callable[[], float]:
    program.taken("stops/", {"reason": "bench"})
    return by_hand(program, "stops/lift/", {"reason": "bench"})


def by_hand(program: Program, path: str, body: Any) -> Callable[[], float]:
    """Opens the gate over REST, and says when it was open."""

    def open_it() -> float:
        program.taken(path, body)
        return time.time()

    return open_it


def measured(program: Program, close: Callable[[Program], Callable[[], float]]) -> float:
    """Seconds from the opened gate to the begun update."""
    move_memory(program.stack, free_port())
    open_it = close(program)
    row = program.taken("deployments/", {"environment": "development", "reason": "bench"})["id"]
    waits = program.confirmed(row)
    assert waits["status"] == "scheduled", waits
    assert all(gate["by"] and gate["since"] for gate in waits["blocked_by"]), waits["blocked_by"]
    time.sleep(2)
    assert not rows(program.stack, BEGUN.format(row)), "it did not wait"
    opened = open_it()
    done = program.until(row, "succeeded", "failed", "needs_recovery")
    assert done["status"] == "succeeded", done
    [(began,)] = rows(program.stack, BEGUN.format(row))
    return float(began) - opened


def main() -> int:
    gates = {
        "freeze, by the clock": close_until,
        "freeze, lifted": close_freeze,
        "lock, released": close_lock,
        "stop of the line, lifted": stop_line,
    }
    slowest = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="waiting-") as folder,
        run_stack(pathlib.Path(folder) / "home") as stack,
    ):
        stack.wait_for(READY, 120)
        carried_out(
            stack,
            "createsuperuser",
            "--noinput",
            "--username",
            "second",
            "--email",
            "b@example.org",
        )
        program = Program(stack, carried_out(stack, "create_token", "admin").split()[-1])
        move_memory(stack, free_port())
        carried_out(stack, "deploy", "development", "--watch", "--yes")
        for name, close in gates.items():
            took = measured(program, close)
            slowest = max(slowest, took)
            print(f"{name:26}{took:6.2f} s; goal {GOAL:.0f} s", flush=True)
        stack.stop(150)
    return 0 if slowest <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
