"""
The one place that decides: turns each registration into a chain of steps.

Registrations are taken one at a time, in the order of their arrival; carrying out the chains is
the executor's, and is concurrent. What was seen and decided is kept here for the delete phase.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.embedded_engine import calls, deletes, diffs, providers, values
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.executor import Executor, Step, Stopped
from infra.embedded_engine.goals import Goal, Identities
from infra.embedded_engine.plan import Plan
from infra.embedded_engine.state import Resource, is_provider, split_reference, urn_name, urn_type

PROTECTED = (
    "as it is currently marked for protection. To unprotect the resource, remove the `protect` "
    "flag from the resource in your Pulumi program and run `pulumi up`"
)
STILL_IMPORTING = (
    "previously-imported resources that still specify an ID may not be replaced; please remove "
    "the `import` declaration from your program;"
)


@dataclass
class Generator:
    """Decides for one run. `identities` knows URNs, old states and aliases."""

    identities: Identities
    registry: providers.Registry
    executor: Executor
    plan: Plan
    replace: Sequence[str] = ()  # URNs that are to be replaced
    only: bool = False  # `refresh --run-program`: a registration refreshes its old resource
    goals: dict[str, Goal] = field(default_factory=dict)
    made: dict[str, Resource] = field(default_factory=dict)  # URN → state that a goal led to
    replaced: set[str] = field(default_factory=set)
    refreshed: set[str] = field(default_factory=set)  # old URNs that their registration refreshed
    skipped: set[str] = field(default_factory=set)  # not made: unknown to the program
    removed: dict[str, list[str]] = field(default_factory=dict)  # deleted first → replace keys
    shown: dict[str, Step] = field(default_factory=dict)  # component → step of its registration
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def register(self, goal: Goal) -> Resource:
        await self._settle(goal)
        async with self._turn, self._reporting(goal):
            urn = self.identities.claim(goal)
            self.goals[urn] = goal
            reads = goal.state.external
            chain, answer = self._reads(goal.state) if reads else await self._decide(goal)
            self.made[urn] = answer
            if not goal.state.custom:
                self.shown[urn] = chain[-1]
            task = self.executor.submit(chain) if chain else None
        if task is not None:
            await task
        return answer

    async def _settle(self, goal: Goal) -> None:
        """What the registration leaves open: the parent's options, the default provider."""
        new = goal.state
        self._inherit(goal)
        if is_provider(new.type):
            new.inputs = goal.inputs = goal.with_engine_inputs()
        elif new.custom and not new.provider:
            async with self._reporting(goal):
                new.provider = await self.registry.default(goal, new.type, self.register)

    def _inherit(self, goal: Goal) -> None:
        new, parent = goal.state, self.goals.get(goal.state.parent)
        if parent is None:
            return
        if new.protect is None:
            new.protect = parent.state.protect
        if new.retain_on_delete is None:
            new.retain_on_delete = parent.state.retain_on_delete
        if not new.external:
            new.deleted_with = new.deleted_with or parent.state.deleted_with
        goal.providers = {**parent.providers, **goal.providers}
        above = parent.state.provider
        if not new.custom:
            new.provider = new.provider or above
        elif not new.provider and not is_provider(new.type):
            package = providers.package_of(new.type)
            serves = above and providers.package_of(urn_type(split_reference(above)[0])) == package
            new.provider = goal.providers.get(package, above if serves else "")

    @contextlib.asynccontextmanager
    async def _reporting(self, goal: Goal) -> AsyncIterator[None]:
        """Reports what makes a registration impossible, once, and ends the run."""
        if self.executor.stopping.is_set():
            raise Stopped
        try:
            yield
        except EngineError as error:
            self.executor.reject(error, self.identities.urn(goal))
            raise Stopped from error

    def _invalid(self) -> Stopped:
        """The end of the run, after a text of its own."""
        self.executor.reject("")
        return Stopped()

    async def _decide(self, goal: Goal) -> tuple[list[Step], Resource]:
        """The chain, and the resource that the registration is answered with."""
        new = goal.state
        owned = new.custom and not is_provider(new.type)
        if owned and len(new.type.split(":")) != 3:
            raise EngineError(f"resource type '{new.type}' must have the form PACKAGE:MODULE:NAME")
        old = self.identities.old(new.urn)
        new.aliases = self.identities.matched(new.urn)
        if old is not None and (self.only or old.refresh_before_update):
            old = await self._refreshed(old, new)
        if self.only and owned:
            return self._only_refreshed(new, old)
        known = ("", old.import_id, old.id) if old and not old.external else ("",)
        imported = new.custom and new.import_id not in known
        if imported:
            old = await self._imported(new, old)
        if old is not None:
            new.created, new.modified = old.created, old.modified
            new.refresh_before_update = old.refresh_before_update
            new.unknown = old.unknown
            self._ignore(new, old)
        forced = new.urn in self.replace or bool(old and old.taint)
        if new.custom:
            fresh = forced or old is None or old.external or new.urn in self.removed
            await self._check(new, {} if fresh or old is None else old.inputs)
        self.plan.goal(goal, old)
        chain = await self._steps(goal, old, forced=forced)
        if imported and old is not None and [s.op for s in chain] == ["same"]:
            return [], old
        self.plan.steps(chain)
        return chain, new

    def _reads(self, new: Resource) -> tuple[list[Step], Resource]:
        """A resource that is looked at but not owned."""
        old = self.identities.old(new.urn)
        if old is None or old.external or old.id == new.id:
            return [Step("read", old, new)], new
        self.replaced.add(new.urn)
        return [Step("read-replacement", old, new), Step("replace", old, new)], new

    async def _steps(self, goal: Goal, old: Resource | None, *, forced: bool) -> list[Step]:
        new = goal.state
        if new.urn in self.removed:
            again = diffs.Diff(replaces=self.removed[new.urn])
            return [Step("replace", old, new), Step("create-replacement", old, new, again)]
        if old is None:
            return [Step("create", None, new)]
        if old.external:
            self.replaced.add(new.urn)
            return [Step("create-replacement", old, new), Step("replace", old, new)]
        diff = await self._diff(new, old, forced=forced)
        trigger = not values.same(old.replacement_trigger, new.replacement_trigger)
        if diff.replaced or trigger or old.pending_replacement:
            return await self._replacement(goal, old, diff, forced=forced)
        if diff.changed or old.init_errors:
            return [Step("update", old, new, diff)]
        return [Step("same", old, new)]

    async def _refreshed(self, old: Resource, new: Resource) -> Resource | None:
        """The old state as it really is now; the registration then meets that."""
        quirk = self.only and (not old.custom or is_provider(old.type))
        step = Step("refresh", old, new if self.only else old, quirk=quirk)
        await self.executor.submit([step])
        if step.new is None:
            del self.identities.olds[old.urn]
        else:
            self.identities.olds[old.urn] = step.new
        self.executor.recorder.substitute(old, step.new)
        self.refreshed.add(old.urn)
        return step.new

    def _only_refreshed(self, new: Resource, old: Resource | None) -> tuple[list[Step], Resource]:
        """The answer is what was found; what does not exist stays unknown to the program."""
        if old is not None:
            return [], old
        self.skipped.add(new.urn)
        return [Step("same", new, new, skipped=True)], new

    async def _imported(self, new: Resource, old: Resource | None) -> Resource:
        """Brings the object with the wanted id into the state, as an old resource of this run."""
        found = dataclasses.replace(new)
        chain = [Step("import", None, found)]
        if old is not None and not old.external:
            self.replaced.add(new.urn)
            chain = [Step("import-replacement", old, found), Step("replace", old, found)]
        self.plan.steps(chain)
        await self.executor.submit(chain)
        return found

    def _ignore(self, new: Resource, old: Resource) -> None:
        new.inputs, bad = diffs.ignore_changes(old.inputs, new.inputs, new.ignore_changes)
        if bad:
            start = "cannot ignore changes in added or removed elements of the path"
            self.executor.events.log("info", f'{start}: "{", ".join(bad)}"', new.urn)

    async def _check(self, new: Resource, olds: dict[str, Any]) -> None:
        """Makes the inputs those that the provider wants."""
        server = await self.registry.serving(new)
        inputs, failures = await server.check(new.urn, olds, new.inputs, self.plan.seed(new.urn))
        for key, reason in failures:
            text = f"{new.type} resource '{urn_name(new.urn)}'"
            if key:
                value = inputs.get(key, new.inputs.get(key))
                text += f": property {key} value {{{diffs.shown(value)}}}"
            self.executor.events.log("error", f"{text} has a problem: {reason}", new.urn)
        if failures:
            raise self._invalid()
        new.inputs = dict(inputs)

    async def _diff(self, new: Resource, old: Resource, *, forced: bool) -> diffs.Diff:
        """The difference by the first rule that applies."""
        if reason := await self._reason(new, old, forced=forced):
            return diffs.Diff(True, [reason])
        if not new.custom:
            return diffs.Diff(changed=not values.same(old.inputs, new.inputs))
        server = await self.registry.serving(new)
        if getattr(server, "unknown", False):
            self.executor.events.log("warning", calls.UNKNOWN_CONFIG, new.urn)
            return diffs.Diff(changed=None).known(old.inputs, new.inputs)
        before = dataclasses.replace(old, urn=new.urn, ignore_changes=new.ignore_changes)
        diff: diffs.Diff = (await server.diff(before, new.inputs)).known(old.inputs, new.inputs)
        diff.replace_on(new.replace_on_changes, init_errors=bool(old.init_errors))
        return diff

    async def _reason(self, new: Resource, old: Resource, *, forced: bool) -> str:
        """What asks for a replacement whatever the provider says, as a replace key."""
        if forced:
            return "id"
        if self.replaced & set(new.replace_with):
            return "replaceWith"
        if new.deleted_with in self.replaced:
            return "deletedWith"
        return "provider" if new.custom and await self._other_provider(old, new) else ""

    async def _other_provider(self, old: Resource, new: Resource) -> bool:
        """Whether another provider serves the resource now, one that cannot take it over."""
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        before = self.identities.provider(old.provider)
        now = self.made.get(split_reference(new.provider)[0])
        if before is None or now is None or before.urn in now.aliases:
            return False
        if before.urn == now.urn and before.id == now.id:
            return False
        server = await self.registry.get(new.provider)
        return (await server.diff_config(now.urn, before, now.inputs)).replaced

    async def _replacement(
        self, goal: Goal, old: Resource, diff: diffs.Diff, *, forced: bool
    ) -> list[Step]:
        new = goal.state
        self.replaced.add(new.urn)
        if old.protect and new.protect:
            text = f'unable to replace resource "{new.urn}"\n{PROTECTED}'
            self.executor.events.log("error", text, new.urn)
            if not self.executor.events.planning:
                raise self._invalid()
            self.executor.invalid = True  # the preview still shows the rest
        if new.import_id:
            sides = ((k, old.inputs.get(k), new.inputs.get(k)) for k in diff.keys)
            lines = [f"{k}: {{{diffs.shown(a)}}} => {{{diffs.shown(b)}}}" for k, a, b in sides]
            severity = "warning" if self.executor.events.planning else "error"
            self.executor.events.log(severity, "\n".join([STILL_IMPORTING, *lines]), new.urn)
            if not self.executor.events.planning:
                raise self._invalid()
        if new.custom and not forced:
            new.inputs = goal.inputs
            await self._check(new, {})
        new.created = new.modified = ""
        first = goal.delete_before_replace
        again, replace = Step("create-replacement", old, new, diff), Step("replace", old, new, diff)
        if diff.delete_first if first is None else first:
            return [*await self._deletes_first(old), replace, again]
        return [again, replace]

    async def _deletes_first(self, old: Resource) -> list[Step]:
        """Deletes what cannot live without the old one, and the old one; a serial chain."""
        found = await deletes.dependents(self, old)
        for resource, keys in found:
            if resource.protect:
                text = (
                    f'unable to replace resource "{resource.urn}" as part of replacing "{old.urn}"'
                )
                self.executor.events.log("error", f"{text} {PROTECTED}", resource.urn)
                raise self._invalid()
            self.removed[resource.urn] = keys
            self.replaced.add(resource.urn)
        gone = [resource for resource, _ in reversed(found)]
        if not old.pending_replacement:
            gone.append(old)
        self.executor.deleted |= {resource.urn for resource in gone}
        return [Step("delete-replaced", resource, waits=True) for resource in gone]
