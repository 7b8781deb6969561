"""The whole embedded stack as `make run` starts it, for tests and measurements."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

from orchestra_portal.start.place import ROOT, Place
from orchestra_portal.start.processes import Process
from orchestra_portal.start.supervisor import supervised
from tests.servers import free_port

READY = "Ctrl-C stops everything"
# Settings of the tests themselves; the stack reads its own.
FOREIGN = ("PYTEST", "PORTAL_", "ORCHESTRA_", "DJANGO_", "CELERY_", "DATABASE_URL")


@dataclasses.dataclass
class Stack:
    """A started portal: its terminal's lines with the second each came, and its place."""

    process: subprocess.Popen[str]
    place: Place
    began: float
    lines: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(line for _, line in list(self.lines))

    def wait_for(self, text: str, limit: float) -> float:
        """Seconds from the start until a line with this text; raises with the logs after that."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            for moment, line in list(self.lines):
                if text in line:
                    return moment
            if self.process.poll() is not None:
                time.sleep(0.2)  # the reader may have lines left
                if text not in self.text:
                    break
            time.sleep(0.02)
        logs = "".join(
            f"\n--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.place.log.glob("*.log"))
        )
        message = f"no {text!r} within {limit} s:\n{self.text}{logs}"
        raise AssertionError(message)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        with urllib.request.urlopen(f"{self.place.url}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()

    def interrupt(self) -> None:
        """Ctrl-C: the signal goes to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def stop(self, limit: float = 90) -> int:
        """Ctrl-C, then the exit status."""
        self.interrupt()
        return self.process.wait(limit)

    def processes(self) -> list[Process]:
        """What supervisord started, itself included."""
        return supervised(self.place)


def read_lines(stack: Stack) -> None:
    assert stack.process.stdout is not None
    for line in stack.process.stdout:
        stack.lines.append((time.monotonic() - stack.began, line))


def end(stack: Stack, *, alone: bool) -> None:
    """Ends a stack that a test left running, and whatever outlived it."""
    if stack.process.poll() is None:
        stack.process.send_signal(signal.SIGINT)
        try:
            stack.process.wait(30)
        except subprocess.TimeoutExpired:
            stack.process.kill()
            stack.process.wait()
    for left in stack.processes() if alone else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(left.pid, signal.SIGKILL)


def stack_environment(home: pathlib.Path, port: int) -> dict[str, str]:
    """The environment without the tests' own settings, and with the place of the stack."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)},
        "ORCHESTRA_HOME": str(home),
        "PORTAL_PORT": str(port),
        "ORCHESTRA_VENV": sys.prefix,
        "ENGINE_DOWNLOAD": "false",
    }


@contextlib.contextmanager
def run_stack(
    home: pathlib.Path, *, deploy: bool = False, alone: bool = True, **settings: str
) -> Iterator[Stack]:
    """
    Starts the portal over `home` on a free port; whatever happens, nothing runs afterwards.

    `deploy` lets the first start deploy development. `alone=False` leaves the processes of another
    stack over the same home alone.
    """
    if not deploy:
        home.mkdir(parents=True, exist_ok=True)
        (home / "first_deployment").touch(0o600)
    port = free_port()
    environment = {**stack_environment(home, port), **settings}
    place = Place(root=ROOT, home=home, port=port, settings=environment)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestra_portal.start"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    stack = Stack(process, place, began)
    reader = threading.Thread(target=read_lines, args=(stack,), daemon=True)
    reader.start()
    try:
        yield stack
    finally:
        end(stack, alone=alone)
        reader.join(5)
        process.stdout.close()
