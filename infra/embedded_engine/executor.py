"""
Steps: what is done to one resource, how each kind is applied, and how chains of them run.

    kind                        provider calls    old entry            new entry
    same                                          replaced             old id and outputs
    create                      Create                                 what the provider answers
    update                      Update            replaced             what the provider answers
    create-replacement          Create            waits to be deleted  as create
    replace                                       (only says that the two are one replacement)
    delete, delete-replaced     Delete            gone
    remove-pending-replace                        gone
    read, read-replacement      Read              replaced, or waits   as found, not owned
    discard, discard-replaced                     gone
    import, import-replacement  Read              none, or waits       as found
    refresh                     Read, Diff        replaced in memory   as found, or None

One chain belongs to one registration. A step says that it begins, is written down as pending, is
applied, written down again, and says that it ended. The first failure stops the run: nothing new
begins, what runs is waited for.
"""

import asyncio
import collections
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.embedded_engine import diffs, providers, state, values
from infra.embedded_engine.backend import now_text
from infra.embedded_engine.calls import Failed
from infra.embedded_engine.errors import EngineError, RefusedError
from infra.embedded_engine.events import Events
from infra.embedded_engine.recorder import Recorder

# Kind, without its suffix, → type of the operation that is pending while it is applied.
PENDING = {"create": "creating", "update": "updating", "delete": "deleting",
           "discard": "deleting", "read": "reading", "import": "importing"}  # fmt: skip
CORRUPTING = ("INTERNAL", "DATA_LOSS", "UNKNOWN")  # after these nobody knows what was changed
AHEAD_SECONDS = 1.0
PROTECTED = (
    'resource "{0}" cannot be deleted\nbecause it is protected. To unprotect the resource, either '
    "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`, or "
    "use the command:\n`pulumi state unprotect '{0}'`"
)


@dataclass(eq=False)
class Step:
    """One step. `old` and `new` are entries of the state; the step fills `new` when applied."""

    op: str
    old: state.Resource | None = None
    new: state.Resource | None = None
    diff: diffs.Diff = field(default_factory=diffs.Diff)
    waits: bool = False  # delete-replaced: the entry stays until its successor exists
    counted: bool = True
    result: str = ""  # refresh: same, update or delete
    quirk: bool = False  # a refresh that the CLI shows as an update, and does not count
    gentle: bool = False  # its failure keeps no other step from running
    warning: str = ""  # what the provider found unhealthy
    skipped: bool = False  # only shown and counted: the resource is not made

    @property
    def resource(self) -> state.Resource:
        resource = self.new or self.old
        assert resource is not None
        return resource

    @property
    def urn(self) -> str:
        return self.resource.urn

    @property
    def kind(self) -> str:
        return self.op.removesuffix("-replaced").removesuffix("-replacement")

    @property
    def pending(self) -> str:
        return PENDING.get(self.kind, "")

    @property
    def deletes(self) -> bool:
        return self.pending == "deleting"

    @property
    def logical(self) -> bool:
        """Counted in the summary, and marked so in events."""
        return self.op in (*PENDING, "same", "replace")

    @property
    def internal(self) -> bool:
        """Not counted: the engine's own default providers, and bookkeeping."""
        return providers.is_default(self.resource) or self.op == "remove-pending-replace"


class Stopped(Exception):
    """The run has failed or was canceled; nothing new begins."""


class Partly(Failed):
    """The step failed, but the object exists: `step.new` is to be recorded all the same."""


def marked(resource: state.Resource, outputs: dict[str, Any]) -> dict[str, Any]:
    wanted = {k for k, v in resource.inputs.items() if isinstance(v, values.Secret)}
    wanted |= set(resource.additional_secret_outputs) - {"id"}
    bare = {k for k in wanted & outputs.keys() if not isinstance(outputs[k], values.Secret)}
    return {k: values.secret(v) if k in bare else v for k, v in outputs.items()}


class Executor:
    """Runs the chains of one operation, at most `parallel` at a time, and counts."""

    def __init__(
        self, registry: providers.Registry, recorder: Recorder, events: Events, slots: int
    ) -> None:
        self.providers, self.recorder, self.events = registry, recorder, events
        self.deleted: set[str] = set()  # URNs that this run deletes
        self.changes: collections.Counter[str] = collections.Counter()
        self.failed = False  # a step failed
        self.invalid = False  # something was refused before it became a step; reported there
        self.refused = False  # … because this engine does not have it
        self.canceled = False
        self.corrupt = False
        self.stopping = asyncio.Event()
        self.counts_refreshes = False
        self._slots = asyncio.Semaphore(slots)
        self._running: set[asyncio.Task[None]] = set()

    @property
    def ok(self) -> bool:
        return not (self.failed or self.invalid or self.canceled)

    def reject(self, error: str | Exception, urn: str = "") -> None:
        """Something cannot become a step: the run ends with this text."""
        self.events.log("error", str(error), urn)
        self.refused = self.refused or isinstance(error, RefusedError)
        self.invalid = True
        self.stopping.set()

    def submit(self, chain: Sequence[Step]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._chain(chain))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for the chain gets it; nobody may be waiting

    async def run(self, steps: Sequence[Step]) -> None:
        """
        Runs steps next to each other and waits for all of them; failures are counted.

        The first goes ahead by a moment: when it is refused (still in use, no rights) the others
        are not begun.
        """
        tasks = [self.submit([step]) for step in steps[:1]]
        if tasks:
            await asyncio.wait(tasks, timeout=AHEAD_SECONDS)
            tasks += [self.submit([step]) for step in steps[1:]]
            await asyncio.wait(tasks)

    async def drain(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    async def _chain(self, chain: Sequence[Step]) -> None:
        await asyncio.sleep(0)  # a registration that waits for its decision may stop the run
        async with self._slots:
            for step in chain:
                if self.stopping.is_set():
                    raise Stopped
                try:
                    await self._step(step)
                except (EngineError, OSError) as error:
                    if not isinstance(error, Partly):
                        self._fail(step, error)
                    if not step.gentle:
                        self.stopping.set()
                    raise Stopped from error

    async def _step(self, step: Step) -> None:
        self.events.before(step)
        operation = self.recorder.begin(step)
        try:
            await self._apply(step)
        except Partly as error:
            self._fail(step, error)
            if step.op == "update" and step.old and step.new:
                step.new.inputs = step.old.inputs  # the next run is to see the change again
            self._finish(step, operation)
            raise
        except EngineError:
            self.recorder.end(step, operation, ok=False)
            raise
        self._finish(step, operation)
        self.events.log("warning", step.warning, step.urn)
        if step.op == "import":
            step.old = step.new  # as it is shown: what was read
        if step.resource.custom or step.deletes or self.events.planning or step.result:
            self.events.after(step, step.result if self.counts_refreshes else "")
        self._count(step)

    def _finish(self, step: Step, operation: state.Operation | None) -> None:
        new = step.new
        if new is not None and step.kind in ("create", "import"):
            new.created = new.modified = now_text()
        elif new is not None and (step.op == "update" or (step.result and step.diff.keys)):
            new.modified = now_text()
        self.recorder.end(step, operation, ok=True)

    def _count(self, step: Step) -> None:
        op = step.op
        if op == "refresh" and self.counts_refreshes:
            op = step.result
        elif not step.logical:
            return
        if step.counted and not step.internal:
            self.changes[op] += 1

    def _fail(self, step: Step, error: Exception) -> None:
        text, code = str(error), error.status if isinstance(error, Failed) else ""
        if isinstance(error, OSError):
            text = f"the state could not be written: {error.strerror}"
        self.failed = True
        start = "Preview failed: " if self.events.planning else ""
        self.events.log("error", start + text, step.urn)
        status = 1 if isinstance(error, Partly) else 0
        if not status and code in CORRUPTING and (step.deletes or step.op in ("update", "refresh")):
            status, self.corrupt = 2, True
        if not self.events.planning:
            self.events.failed(step, status, sum(self.changes.values()))

    async def _apply(self, step: Step) -> None:
        """Does the step. Failed when it could not be done, Partly when it was done by half."""
        method = getattr(self, f"_{step.kind}", None)
        if method is not None and not step.skipped:
            await method(None if step.kind == "create" else step.old, step.new, step)

    async def _same(self, old: state.Resource, new: state.Resource, _step: Step) -> None:
        new.id, new.outputs = old.id, old.outputs
        if state.is_provider(new.type):
            await self.providers.keep(old, new)

    async def _update(self, old: state.Resource | None, new: state.Resource, _step: Step) -> None:
        """Has a resource created or updated; half of a success is recorded, too."""
        new.id = old.id if old else new.id
        if not new.custom:
            new.outputs = old.outputs if old else new.outputs
            return
        seconds = new.custom_timeouts.get("update" if old else "create", 0)
        try:
            server = await self.providers.serving(new)
            new.id, outputs = await server.make(old, new, seconds, preview=self.events.planning)
        except Failed as error:
            found = error.partial
            if found is None or not (old or found.id):
                raise
            new.outputs, new.init_errors = marked(new, found.outputs), found.reasons
            if old is None:
                new.id, new.inputs = found.id, found.inputs or new.inputs
            raise Partly(error.text, error.status, found) from error
        new.outputs = marked(new, outputs)

    _create = _update

    async def _delete(self, old: state.Resource, _new: None, step: Step) -> None:
        owned = old.custom and not old.external
        server = await self.providers.serving(old) if owned else None
        if old.protect and not step.op.endswith("-replaced"):  # a replacement looked before
            raise Failed(PROTECTED.format(old.urn))
        goes_along = old.deleted_with and old.deleted_with in self.deleted
        if not (self.events.planning or server is None or old.retain_on_delete or goes_along):
            await server.delete(old, old.custom_timeouts.get("delete", 0))

    _discard = _delete

    async def _read(self, old: state.Resource | None, new: state.Resource, step: Step) -> None:
        if self.events.planning and not new.id:
            return  # its id is not known yet, so neither is anything else
        answer = await (await self.providers.serving(new)).read(new, new.id, new.inputs, {})
        if not answer.id:
            raise Failed(f"resource '{new.id}' does not exist")
        new.id, new.outputs = answer.id, marked(new, answer.outputs)
        before = old.outputs if old else None
        step.counted = bool(before and new.outputs) and not values.same(before, new.outputs)

    async def _import(self, _old: state.Resource | None, new: state.Resource, _step: Step) -> None:
        answer = await (await self.providers.serving(new)).read(new, new.import_id, None, None)
        if not answer.id:
            raise Failed(f"resource '{new.import_id}' does not exist")
        if answer.inputs is None:
            advice = f"please try updating the '{new.type.split(':')[0]}' plugin"
            raise Failed(f"provider does not support importing resources; {advice}")
        new.id, new.inputs = answer.id, answer.inputs
        new.outputs = marked(new, answer.outputs)

    async def _refresh(self, old: state.Resource, _new: state.Resource | None, step: Step) -> None:
        step.new = old
        step.result, step.counted = ("update", False) if step.quirk else ("same", True)
        if not old.custom or state.is_provider(old.type) or old.pending_replacement:
            return
        new = dataclasses.replace(old, init_errors=[])
        server = await self.providers.serving(old)
        try:
            answer = await server.read(new, old.id, old.inputs, old.outputs)
        except Failed as error:
            if error.partial is None:
                raise
            answer, new.init_errors = error.partial, error.partial.reasons
            lines = [f"* {reason}" for reason in new.init_errors]
            step.warning = "\n".join(["Refreshed resource is in an unhealthy state:", *lines])
        if not answer.id:
            step.new, step.result = None, "delete"
            return
        new.id = answer.id
        if answer.inputs is not None:  # a provider may forget what was secret
            new.inputs = values.annotate(answer.inputs, old.inputs)
        new.outputs = marked(old, values.annotate(answer.outputs, old.outputs))
        step.new = new
        if old.external:
            step.result = "same" if values.same(old.outputs, new.outputs) else "update"
            return
        # The difference as the provider sees it, turned round: from the state to reality.
        diff = (await server.diff(new, old.inputs)).known(new.inputs, old.inputs)
        if diff.changed:
            step.result = "update"
            step.diff = diffs.Diff(keys=diff.keys, detailed=diff.inverted())
