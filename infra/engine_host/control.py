"""Who may stop a run: control lines, the end of standard input, and the time limit."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

LAST_WAIT = (
    10.0  # seconds between the second interrupt and the kill; the CLI ends itself within five
)


class Stoppable(Protocol):
    def interrupt(self) -> None: ...

    def kill(self) -> None: ...


class Stopper:
    """Turns every wish to stop into signals to the engine, and remembers the first reason."""

    def __init__(self, grace: float) -> None:
        self._target: Stoppable | None = None
        self._grace = grace
        self._finished = threading.Event()
        self.reason: str | None = None  # "canceled", "time_limit" or "abandoned"

    def attach(self, target: Stoppable) -> None:
        """What to stop. A wish that came before counts."""
        self._target = target
        if self.reason:
            target.interrupt()

    def watch_time(self, limit: float) -> None:
        def expire() -> None:
            if not self._finished.wait(limit):
                self._escalate("time_limit")

        _thread(expire, "time-limit")

    def watch_control(self, stream: Iterable[str]) -> None:
        """Follows the control lines. Their end means that the run process is gone."""

        def follow() -> None:
            for line in stream:
                if _is_cancel(line):
                    self.reason = self.reason or "canceled"
                    self._interrupt()
            if not self._finished.is_set():
                self._escalate("abandoned")

        _thread(follow, "control")

    def finish(self) -> None:
        """The engine has ended; nothing is signalled any more."""
        self._finished.set()

    def _escalate(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._interrupt()
        if self._finished.wait(self._grace):
            return
        self._interrupt()
        if not self._finished.wait(LAST_WAIT) and self._target:
            self._target.kill()

    def _interrupt(self) -> None:
        if self._target:
            self._target.interrupt()


def _is_cancel(line: str) -> bool:
    try:
        document = json.loads(line)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("control") == "cancel"


def _thread(target: Callable[[], None], name: str) -> None:
    threading.Thread(target=target, name=name, daemon=True).start()
