"""
Follows a growing file and reports its whole lines.

Output goes to files and not to pipes: an engine whose reader dies goes on and writes its state
down.
"""

import threading
from collections.abc import Callable
from pathlib import Path

POLL = 0.05  # seconds
LONGEST = 64 * 1024  # bytes of one report; longer lines are cut in pieces


class Tail:
    """Reports what is appended to a file from now on, on a thread of its own, until `finish`."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self.start = self._file.tell()
        self._report = report
        self._rest = b""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"tail-{path.name}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Reports what is left, the last line without its end too."""
        self._done.set()
        self._thread.join()
        self._file.close()

    def _follow(self) -> None:
        while not self._done.wait(POLL):
            self._read()
        self._read()
        if self._rest:
            self._report(self._rest.decode("utf-8", errors="replace"))

    def _read(self) -> None:
        while chunk := self._file.read(LONGEST):
            whole, end, rest = (self._rest + chunk).rpartition(b"\n")
            if end:
                self._report(whole.decode("utf-8", errors="replace"))
            self._rest = rest
            if len(rest) > LONGEST:
                self._report(rest.decode("utf-8", errors="replace"))
                self._rest = b""
