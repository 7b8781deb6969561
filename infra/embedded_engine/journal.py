"""
The journal: a file that continues a checkpoint, a line a change, and its fold into the checkpoint.

Writing the whole state around each step costs the square of the number of resources; a line
appended costs the same each time. Entries and pending operations are known by number: those of the
checkpoint have 0, 1, 2 … in their order, new ones the numbers that follow. A line is a JSON object

    {"resources": {number: RESOURCE or null}, "pending_operations": {number: OPERATION or null}}

where null says that it is gone. The first line binds the file to the checkpoint that it continues;
a last line cut short by a kill is left out: its step was not reported. While a journal is unfolded,
the lock of its operation keeps every other engine away.

`cancel` removes that lock also from an operation that is alive, and goes on, as it does under the
CLI. The journal is then folded under its feet; it notices with its next line, and writes whole what
the fold could not know.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from infra.embedded_engine import state
from infra.embedded_engine.backend import Backend, StackRef, dump_json
from infra.embedded_engine.errors import EngineError, StackNotFoundError
from infra.embedded_engine.state import Resource, Snapshot

FOLDING = b'{"folding":true}\n'
PARTS = ("resources", "pending_operations")


class FoldedError(Exception):
    """`cancel` folded the journal of an operation that is alive."""


@contextlib.contextmanager
def _alone(file: int) -> Iterator[None]:
    """Nobody adds a line while another one folds, and the other way round."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


class Journal:
    """The journal of one stack. Not safe for threads: one place writes state."""

    def __init__(self, backend: Backend, ref: StackRef) -> None:
        self._backend = backend
        self._ref = ref
        self._name = f"stacks/{ref.project}/{ref.name}.journal"
        self._path = backend.root / self._name
        self._file = -1
        self._size = 0

    def append(self, record: Mapping[str, Any]) -> None:
        """
        One line in one write, in the file before this returns; the first opens the journal.
        Raises FoldedError, with nothing written, when the file has been folded and is gone.
        """
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._file = os.open(self._path, flags, 0o644)
            self.append({"journal": 2, "continues": self._digest()})
        with _alone(self._file):
            if not self._is_ours():
                raise FoldedError
            self._write((dump_json(record) + "\n").encode())

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._file, line)
        except OSError:
            written = 0
        if written != len(line):
            os.ftruncate(self._file, self._size)  # so that a later line does not join a torn one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._name)
        self._size += written

    def _is_ours(self) -> bool:
        """Whether the name still leads to the file that this run opened."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _digest(self) -> str:
        return hashlib.sha256(self._backend.read(self._ref.state) or b"").hexdigest()

    def folding(self) -> None:
        """Says that the checkpoint is about to be written whole with all of this in it."""
        # On a full disk only a later warning hangs on it.
        with contextlib.suppress(OSError, FoldedError):
            self.append({"folding": True})

    def remove(self) -> None:
        ours = self._file < 0 or self._is_ours()
        self.close()
        if ours:
            self._backend.delete(self._name)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def records(self) -> list[dict[str, Any]]:
        """The complete lines that continue the present checkpoint; none when of an older one."""
        lines = (self._backend.read(self._name) or b"").split(b"\n")[:-1]
        records = [self._decoded(number, line) for number, line in enumerate(lines, 1)]
        return records[1:] if records and records[0].get("continues") == self._digest() else []

    def _decoded(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
            problem = _misformed(record)
        except ValueError as error:
            problem = str(error)
        if problem:
            raise EngineError(
                f"the journal {self._path} is damaged in line {number} ({problem}). The lines "
                "before it are whole: keep a copy, remove this line and those after it, and run "
                "the command again; then refresh the stack and compare what the copy notes with "
                "what exists"
            )
        return dict(record)

    def recover(self) -> bool:
        """Folds what a killed operation left into the checkpoint; says whether there was any."""
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            with _alone(file):
                return self._fold()
        finally:
            os.close(file)

    def _fold(self) -> bool:
        records = self.records()
        document = self._backend.read_state(self._ref)
        data = self._backend.read(self._name) or b""
        if records and document is not None:
            self._backend.write_state(self._ref, fold(document, records))
        elif data.count(b"\n") > 1 and not data.endswith(FOLDING):
            self._backend.write(f"{self._name}.stale", data)
            sys.stderr.write(
                "warning: another engine went on before an interrupted operation of this one was "
                f"folded into the state; what it noted is in {self._path}.stale. Compare it with "
                "what really exists\n"
            )
        if data:
            self.remove()
        return bool(records)


def _misformed(record: Any) -> str:
    """What is wrong with the form of a line; empty: nothing."""
    if not isinstance(record, dict):
        return "it is no object"
    for key in PARTS:
        items = record.get(key) or {}
        if not isinstance(items, dict) or not all(n.isdecimal() for n in items):
            return f"{key} are not known by numbers"
        if not all(item is None or isinstance(item, dict) for item in items.values()):
            return f"one of the {key} is no object"
    return ""


def fold(document: Mapping[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """
    The checkpoint document with the records applied; the given one is left as it is. Raises
    EngineError when what comes of it is no state.
    """
    latest = dict(document["checkpoint"].get("latest") or {})
    state.decode_latest(latest)
    for key in PARTS:
        items = {str(n): item for n, item in enumerate(latest.pop(key, None) or [])}
        for record in records:
            items.update(record.get(key) or {})
        kept = [items[n] for n in sorted(items, key=int) if items[n] is not None]
        latest |= {key: kept} if kept else {}
    if resources := state.decode_latest(latest).resources:
        latest["resources"] = _ordered(resources)
    return state.checkpoint_document(latest, document["checkpoint"]["stack"])


def _ordered(resources: list[Resource]) -> list[Any]:
    """Everything after what it refers to, and references by an old URN brought to the new one."""
    present = {r.urn for r in resources}
    renamed = {alias: r.urn for r in resources for alias in r.aliases if alias not in present}
    resources = [state.rename_references(r, renamed) for r in resources]
    for resource in resources:
        resource.aliases = [alias for alias in resource.aliases if alias not in renamed]
    return [state.encode_resource(r) for r in state.sort_topologically(resources)]


def read_folded(backend: Backend, ref: StackRef) -> dict[str, Any]:
    """The checkpoint document as an unfolded journal continues it; nothing is written."""
    document = backend.read_state(ref)
    if document is None:
        raise StackNotFoundError(ref.name)
    records = Journal(backend, ref).records()
    return fold(document, records) if records else document


def read_latest(backend: Backend, ref: StackRef) -> dict[str, Any]:
    latest: dict[str, Any] = read_folded(backend, ref)["checkpoint"].get("latest") or {}
    state.decode_latest(latest)  # a damaged one is refused here, for all who read it
    return latest


def recovered(backend: Backend, ref: StackRef) -> Snapshot:
    """The state under our lock, with the journal of a killed operation folded into its file."""
    Journal(backend, ref).recover()
    return state.decode_checkpoint(backend.read_state(ref) or {}, ref.name)


def write_latest(backend: Backend, ref: StackRef, latest: dict[str, Any]) -> None:
    backend.write_state(ref, state.checkpoint_document(latest, ref.qualified))
