"""
The host's lines on their way: redacted, spooled to disk, written in batches.

A reader thread takes each line off the pipe at once, so that a database that is away never holds
up the host; the caller's thread writes.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import structlog
from django.db import DataError, IntegrityError, transaction

from apps.core.redaction import Redactor, Stream
from apps.deployments import leases
from apps.deployments.events import AT_ONCE, EventFields, rows_of
from apps.deployments.models import Run, RunEvent
from apps.deployments.persistence import persist
from apps.live.hints import wake_hubs

log = structlog.get_logger(__name__)
IDLE = 0.020  # seconds without a line: flush
OLDEST = 0.050  # seconds that a line may wait
BATCH = 500  # rows
# The host cuts longer lines in pieces, so a secret may lie across two of them.
PIECE = 60_000


class ClaimLost(Exception):
    """The run's row carries another fence, or is over: nothing more may be written."""


class Spool:
    """`events.ndjson`: every redacted line, on disk before the database has it."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO | None = path.open("a", encoding="utf-8")

    def write(self, line: dict[str, Any]) -> None:
        """A full disk ends the spool, not the run: the database still gets the line."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            log.warning("spool.ended", reason=str(error))
            self.close()

    def close(self) -> None:
        if self._file is not None:
            # What is left in its buffer has no room either.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class Reader:
    """Reads, redacts and spools on a thread of its own; `line` and `rows` come out of a queue."""

    def __init__(self, lines: Iterator[dict[str, Any]], redactor: Redactor, spool: Spool) -> None:
        self.queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lines, self._redactor, self._spool = lines, redactor, spool
        self._held: dict[str, Stream] = {}
        self._thread = threading.Thread(target=self._read, name="host-lines", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for line in self._lines:
                # The state is stored sealed, exactly as it is: a mask in it could not be restored.
                state = line.pop("state", None)
                safe = self.redacted(line)
                self._spool.write(safe)
                self.queue.put(safe if state is None else {**safe, "state": state})
        finally:
            self.queue.put(None)

    def redacted(self, line: dict[str, Any]) -> dict[str, Any]:
        """The line without secrets."""
        if line.get("type") == "output":
            return {**line, "text": self._output(str(line.get("stream")), str(line.get("text")))}
        safe: dict[str, Any] = self._redactor.value(line)
        return safe

    def _output(self, stream: str, text: str) -> str:
        held = self._held.setdefault(stream, self._redactor.stream())
        safe = held.feed(text)
        return safe if len(text) >= PIECE else safe + held.close()


class Writer:
    """Turns lines into numbered rows, a batch in a transaction, under the run's fence."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sequence = run.last_sequence
        self._waiting: list[EventFields] = []
        self._since = 0.0
        self._urgent = False

    def add(self, line: dict[str, Any]) -> None:
        rows = rows_of(line)
        if rows and not self._waiting:
            self._since = time.monotonic()
        self._waiting += rows
        self._urgent = self._urgent or any(row["kind"] in AT_ONCE for row in rows)

    @property
    def patience(self) -> float | None:
        """Seconds until the batch must go; None while there is none."""
        if not self._waiting:
            return None
        if self._urgent or len(self._waiting) >= BATCH:
            return 0.0
        return max(0.0, min(IDLE, self._since + OLDEST - time.monotonic()))

    @property
    def is_due(self) -> bool:
        late = self._waiting and time.monotonic() - self._since >= OLDEST
        return bool(late) or len(self._waiting) >= BATCH

    def flush(self) -> None:
        """Writes what waits. Raises ClaimLost when the run is no longer ours."""
        while self._waiting:
            batch = self._waiting[:BATCH]
            persist(lambda rows=batch: self._write(rows))  # type: ignore[misc]  # bound per loop
            self._waiting = self._waiting[BATCH:]
            self._sequence += len(batch)
        self._urgent = False
        wake_hubs()

    def _write(self, batch: list[EventFields]) -> None:
        rows = [
            RunEvent(run=self._run, sequence=self._sequence + number, **fields)
            for number, fields in enumerate(batch, 1)
        ]
        with transaction.atomic():
            self._claim(len(batch))
            try:
                with transaction.atomic():
                    RunEvent.objects.bulk_create(rows)
            except (DataError, IntegrityError, ValueError, UnicodeError):
                for row in rows:
                    self._write_one(row)

    def _claim(self, count: int) -> None:
        last = self._sequence + count
        if not leases.living(self._run).update(last_sequence=last):
            raise ClaimLost

    def _write_one(self, row: RunEvent) -> None:
        """One row that the database refuses must not cost the others, nor leave a gap."""
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except (DataError, IntegrityError, ValueError, UnicodeError) as error:
            row.pk = None
            row.urn = row.type = row.operation = ""
            row.detail = {}
            row.message = f"An event of kind {row.kind} could not be stored: {type(error).__name__}"
            row.severity = "warning"
            row.save(force_insert=True)


def pump(reader: Reader, writer: Writer, take: Callable[[dict[str, Any]], None]) -> None:
    """
    Until the host's last line: `take` sees every redacted line, the writer gets it, batches go
    when they are due. Raises ClaimLost.
    """
    while True:
        try:
            patience = writer.patience
            line = reader.queue.get(patience is None or patience > 0, patience)
        except queue.Empty:
            writer.flush()
            continue
        if line is None:
            break
        take(line)
        writer.add(line)
        if writer.is_due:
            writer.flush()
    writer.flush()
