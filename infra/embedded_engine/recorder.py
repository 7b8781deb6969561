"""
The one place that writes the state of a run: whole, or as lines of a journal.

Small states are written whole around each step, as the CLI does it; larger ones get a journal.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra.embedded_engine import state, values
from infra.embedded_engine.journal import FoldedError, Journal, write_latest
from infra.embedded_engine.state import Operation, Resource, Snapshot

if TYPE_CHECKING:
    from infra.embedded_engine.executor import Step
    from infra.embedded_engine.operations import Task

# States of up to that many entries are written whole around each step.
WHOLE = int(os.environ.get("ORCHESTRA_ENGINE_WHOLE", "24"))


class Recorder:
    """
    The state of a stack while a run changes it; a preview writes nothing.

    `base` are the entries that the run found; each step moves entries from there to `new`. A write
    puts down the new ones, then what is left of the base, then the pending operations.
    """

    def __init__(self, task: Task) -> None:
        self._backend, self._ref, self._snapshot = task.workspace.backend, task.ref, task.snapshot
        self._secrets, self._quiet = task.secrets, task.preview
        self.base = list(task.snapshot.resources)
        self.new: list[Resource] = []
        self.pending = [o for o in task.snapshot.pending if o.type == "creating"]
        self._done: set[int] = set()  # identities of entries that are gone or replaced
        self._renamed: dict[str, str] = {}  # old URN → new one, of entries matched by alias
        self._raw: dict[int, dict[str, Any]] = {}
        self._journal: Journal | None = None
        self._numbers: dict[int, int] = {}  # identity of entry or operation → its number there
        self._numbering = itertools.count()

    def alive(self) -> Iterator[Resource]:
        """The entries that a write would write now, in order."""
        return (r for r in (*self.new, *self.base) if id(r) not in self._done)

    def remaining(self) -> list[Resource]:
        return [r for r in self.base if id(r) not in self._done]

    def substitute(self, old: Resource, new: Resource | None) -> None:
        """Puts what a refresh found in the place of an old entry."""
        if new is old:
            return
        self._drop(old)
        if new is not None:
            place = next(i for i, entry in enumerate(self.base) if entry is old)
            self.base.insert(place, new)
            self._take_place(old, new)
        if self._journal is not None:
            self._write([new or old])

    def rebase(self, resources: list[Resource]) -> None:
        """Another base, after a refresh; the next write writes it."""
        self.base, self.new, self._done = resources, [], set()

    def begin(self, step: Step) -> Operation | None:
        """Notes in the file that the step is under way, for kinds that touch the world."""
        if not step.pending or self._quiet:
            return None
        operation = Operation(step.resource, step.pending)
        self.pending.append(operation)
        self._write([], operation)
        return operation

    def end(self, step: Step, operation: Operation | None, *, ok: bool) -> None:
        if operation is not None:
            self.pending.remove(operation)
        changed = self._settle(step) if ok and not step.skipped else []
        if operation is not None or changed:
            self._write(changed, operation)

    def _settle(self, step: Step) -> list[Resource]:
        """Moves the entries of a step; answers those whose stored content changed."""
        old, new = step.old, step.new
        if step.op.endswith("-replacement") and old is not None and new is not None:
            if old.pending_replacement:
                return [*self._drop(old), *self._replace(None, new)]
            old.delete = True
            return [*self._replace(None, new), self._touch(old)]
        if old is not None and (step.deletes or step.op == "remove-pending-replace"):
            if not step.waits:
                return self._drop(old)
            old.pending_replacement = True
            return [self._touch(old)]
        if step.op in ("same", "update", "read", "create", "import") and new is not None:
            return self._replace(old, new, elide=step.op == "same")
        return []

    def _replace(
        self, old: Resource | None, new: Resource, *, elide: bool = False
    ) -> list[Resource]:
        before = self._encoded(old) if old is not None and elide else None
        dropped = self._drop(old) if old is not None else []
        self.new.append(self._touch(new))  # it was written as pending, without its outcome
        if old is not None and self._take_place(old, new):
            dropped = []
        fresh = {alias: new.urn for alias in new.aliases if alias not in self._renamed}
        if fresh:
            self._renamed |= fresh
            self._raw.clear()
        return [] if before == self._encoded(new) else [*dropped, new]

    def _take_place(self, old: Resource, new: Resource) -> bool:
        """Whether the journal knows the old one; then the new one has its number."""
        if id(old) in self._numbers:
            self._numbers[id(new)] = self._numbers[id(old)]
        return id(old) in self._numbers

    def _drop(self, old: Resource) -> list[Resource]:
        self._done.add(id(old))
        return [old]

    def _touch(self, resource: Resource) -> Resource:
        self._raw.pop(id(resource), None)
        return resource

    def set_outputs(self, resource: Resource, outputs: dict[str, Any]) -> None:
        if not values.same(resource.outputs, outputs):
            resource.outputs = outputs
            self._write([self._touch(resource)])

    def _write(self, changed: list[Resource], operation: Operation | None = None) -> None:
        """Puts down entries that changed and the operation that began or ended."""
        if self._quiet:
            return
        if self._journal is not None:
            try:
                self._journal.append(self._record(changed, operation))
            except FoldedError:
                self._journal.close()
                self._journal = None
            else:
                return
        self.flush()
        if len(self.base) + len(self.new) - len(self._done) > WHOLE:
            self._open_journal()

    def _record(self, changed: list[Resource], operation: Operation | None) -> dict[str, Any]:
        """The line of the journal that says the same."""
        record: dict[str, Any] = {}
        if changed:
            record["resources"] = {self._number(r): self._recorded(r) for r in changed}
        if operation is not None:
            here = self._operation(operation) if operation in self.pending else None
            record["pending_operations"] = {self._number(operation): here}
            if here is None:
                del self._numbers[id(operation)]  # another object may come to have this identity
        return record

    def _number(self, item: Resource | Operation) -> int:
        if id(item) not in self._numbers:
            self._numbers[id(item)] = next(self._numbering)
        return self._numbers[id(item)]

    def _recorded(self, resource: Resource) -> dict[str, Any] | None:
        if id(resource) in self._done:
            return None
        aliases = {"aliases": resource.aliases} if resource.aliases else {}
        return {**self._encoded(resource), **aliases}  # the fold brings references to the new URN

    def _open_journal(self) -> None:
        """It continues the checkpoint just written, whose entries are known by their places."""
        self._journal = Journal(self._backend, self._ref)
        alive = list(self.alive())
        self._numbers = {id(i): n for part in (alive, self.pending) for n, i in enumerate(part)}
        self._numbering = itertools.count(len(self._numbers))

    def _operation(self, operation: Operation) -> dict[str, Any]:
        return {"resource": self._encoded(operation.resource), "type": operation.type}

    def _encoded(self, resource: Resource) -> dict[str, Any]:
        if id(resource) not in self._raw:
            seal = functools.partial(self._seal, resource.urn)
            renamed = state.rename_references(resource, self._renamed)
            raw = state.encode_resource(renamed, functools.partial(values.to_json, seal=seal))
            if any(alias in self._renamed for alias in resource.aliases):
                del raw["aliases"]  # all references to it are rewritten
            self._raw[id(resource)] = raw
        return self._raw[id(resource)]

    def _seal(self, urn: str, value: Any) -> dict[str, str]:
        return {"ciphertext": self._secrets.encrypt(values.json_text(value), urn)}

    def flush(self) -> None:
        """Writes the state whole; a journal is folded by that, and goes."""
        if self._quiet:
            return
        empty = Snapshot(salt=self._snapshot.salt, unknown=self._snapshot.unknown)
        parts = {
            "resources": [self._encoded(r) for r in self.alive()],
            "pending_operations": [self._operation(operation) for operation in self.pending],
        }
        latest = state.encode_latest(empty) | {key: part for key, part in parts.items() if part}
        if self._journal is not None:
            self._journal.folding()
        write_latest(self._backend, self._ref, latest)
        if self._journal is not None:
            self._journal.remove()
            self._journal = None
