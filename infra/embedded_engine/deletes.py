"""
What has to go: old resources that no registration continued, and dependents of a replacement.

Deletions run in levels: an entry may go when nothing that remains to be deleted refers to it.
"""

from __future__ import annotations

import functools
import graphlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from infra.embedded_engine import values
from infra.embedded_engine.executor import Step
from infra.embedded_engine.state import Resource, is_provider

if TYPE_CHECKING:
    from infra.embedded_engine.generator import Generator


def leftover(entries: Iterable[Resource], processed: set[str]) -> list[Step]:
    """A step for every old entry that is to go, in the order of the state."""
    steps = []
    for entry in entries:
        if entry.pending_replacement and not entry.delete and entry.urn not in processed:
            steps.append(Step("remove-pending-replace", entry))
        elif entry.delete or entry.urn not in processed:
            name = "discard" if entry.external else "delete"
            op = f"{name}-replaced" if entry.delete else name
            steps.append(Step(op, entry, gentle=bool(entry.protect)))
    return steps


def levels(steps: list[Step]) -> list[list[Step]]:
    """
    The steps in groups: each group may run when those before it have ended.

    An entry refers to earlier ones only. To depend on a component is to depend on all below it.
    """
    sorter: graphlib.TopologicalSorter[Step] = graphlib.TopologicalSorter()
    same: dict[str, list[Step]] = {}
    below: dict[str, list[Step]] = {}
    above: dict[str, list[str]] = {}
    for step in steps:
        sorter.add(step)
        entry = step.resource
        for kind, urn in entry.references():
            for other in (*same.get(urn, ()), *(below.get(urn, ()) if kind != "parent" else ())):
                sorter.add(other, step)
        same.setdefault(entry.urn, []).append(step)
        parents = above[entry.urn] = [entry.parent, *above.get(entry.parent, ())]
        for urn in parents:
            if not any(s.resource.custom for s in same.get(urn, ())):
                below.setdefault(urn, []).append(step)
    sorter.prepare()
    out = []
    while sorter.is_active():
        out.append(list(reversed(sorter.get_ready())))
        sorter.done(*out[-1])
    return out


async def dependents(generator: Generator, root: Resource) -> list[tuple[Resource, list[str]]]:
    """
    What must be deleted before `root` can be, each with its replace keys, in the state's order.

    A dependent goes when its provider would replace it if the inputs that come from something in
    the set were unknown, when its provider is in the set, or when it is deleted with it.
    """
    olds = list(generator.identities.olds.values())
    place = next((i for i, entry in enumerate(olds) if entry.urn == root.urn), len(olds))
    gone = {root.urn}
    found: list[tuple[Resource, list[str]]] = []
    for entry in olds[place + 1 :]:
        if entry.urn in generator.identities.seen or entry.urn in generator.removed:
            continue
        if entry.custom and not entry.external:
            keys = await _replace_keys(generator, entry, gone)
            if keys is not None:
                found.append((entry, keys))
                gone.add(entry.urn)
    return found


async def _replace_keys(generator: Generator, entry: Resource, gone: set[str]) -> list[str] | None:
    """The keys for which the entry must be replaced too; None when it can stay."""
    kinds = {kind for kind, urn in entry.references() if urn in gone}
    if kinds & {"provider", "deletedWith", "replaceWith"}:
        return []
    inputs: dict[str, Any] = dict(entry.inputs)
    fed = [k for k, urns in entry.property_dependencies.items() if gone & set(urns) and k in inputs]
    if not fed or is_provider(entry.type):
        return None
    inputs |= dict.fromkeys(fed, values.UNKNOWN)
    server = await generator.registry.serving(entry)
    diff = (await server.diff(entry, inputs)).known(entry.inputs, inputs)
    return list(diff.replaces) if diff.replaced else None


def spared_by_protection(entries: list[Resource]) -> set[int]:
    """Identities of the protected entries and of all that they refer to."""
    spared: set[int] = set()
    wanted: set[str] = set()
    for entry in reversed(entries):
        if entry.protect or entry.urn in wanted:
            spared.add(id(entry))
            wanted |= {urn for _, urn in entry.references()}
    return spared


def rebuilt(entries: Iterable[Resource], gone: Mapping[str, str], *, tidy: bool) -> list[Resource]:
    """
    The base after a refresh, from the entries that it found and the parents of the gone ones.

    References to gone entries are dropped, and orphans get their grandparent; with `tidy` what a
    property depends on is left out when it is nothing.
    """
    out: list[Resource] = []
    present: set[str] = set()
    for entry in entries:
        parent = entry.parent
        while parent not in present and parent in gone:
            parent = gone[parent]
        missing = {u for k, u in entry.references() if k not in ("parent", "provider")} - present
        new = entry.rewritten(functools.partial(_kept, missing))
        new.parent = parent
        if tidy:
            new.property_dependencies = {k: u for k, u in new.property_dependencies.items() if u}
        out.append(new)
        present.add(new.urn)
    return out


def _kept(missing: set[str], urn: str) -> str:
    return "" if urn in missing else urn
