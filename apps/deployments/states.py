"""
Kept copies of a stack's state: which there are, and what differs between two. Pure but for reading
rows; secrets are never there, neither as ciphertext nor in clear.

A difference has the shape of a plan (`plans.py`): *create* stands for a resource that only the
second state records, *delete* for one that only the first does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from apps.core.redaction import Redactor
from apps.core.sealing import seal, unseal
from apps.deployments.configuration import every_secret
from apps.deployments.models import Deployment, Run, StateCopy
from apps.deployments.plans import MOST_CHANGES, OPERATIONS, is_secret, shown, summarise
from apps.environments.models import Environment

# Of a resource's record: what says something about it. The rest is bookkeeping.
COMPARED = ("id", "parent", "provider", "protect", "external", "dependencies")
SECRET_TEXTS = {"add": "secret set", "delete": "secret removed", "update": "secret changed"}
SKIPPED_TYPES = ("pulumi:providers:",)


def keep_state(run: Run, state: Mapping[str, Any], digest: str) -> StateCopy:
    """Seals a copy of the state as it is after a run, and drops the oldest beyond what is kept."""
    # Sealed, not masked: an output may repeat a secret in clear, and a mask cannot be restored.
    copy, _ = StateCopy.objects.update_or_create(
        run=run,
        defaults={
            "stack_id": run.stack_id,
            "digest": digest,
            "resources": len(resources_of(state)),
            "document": {"sealed": seal(json.dumps(state), state_identity(run.pk))},
        },
    )
    _drop_oldest(run)
    return copy


def _drop_oldest(run: Run) -> None:
    rows = StateCopy.objects.filter(stack_id=run.stack_id).order_by("-pk")
    old = list(rows.values_list("pk", flat=True)[settings.STATE_COPIES_KEPT :])
    # What a deployment restored stays, as part of its history.
    used = Deployment.objects.filter(state_copy__in=old).values("state_copy")
    StateCopy.objects.filter(pk__in=old).exclude(pk__in=used).delete()


def state_identity(run_id: int) -> str:
    """The row that a kept state is bound to."""
    return f"state:run:{run_id}"


def opened_state(copy: StateCopy) -> dict[str, Any]:
    """The kept state as the host wrote it. Raises OurFault (`secret.sealed`)."""
    state: dict[str, Any] = json.loads(unseal(copy.document["sealed"], state_identity(copy.run_id)))
    return state


def readable_state(copy: StateCopy) -> dict[str, Any]:
    """The kept state for reading: no secret in it, neither as ciphertext nor in clear."""
    redactor = Redactor(every_secret(copy.stack.environment))
    masked: dict[str, Any] = redactor.value(_without_secrets(opened_state(copy)))
    return masked


def _without_secrets(value: Any) -> Any:
    if is_secret(value):
        return "secret"
    if isinstance(value, Mapping):
        return {key: _without_secrets(entry) for key, entry in value.items()}
    return [_without_secrets(entry) for entry in value] if isinstance(value, list) else value


def copies(place: Environment) -> Any:
    """The kept copies of an environment, newest first."""
    rows = StateCopy.objects.filter(stack__environment=place)
    return rows.select_related("run__deployment", "stack__environment").order_by("-pk")


def difference_of(first: StateCopy, second: StateCopy) -> dict[str, Any]:
    """What the second copy has otherwise than the first, masked for every reader."""
    place = second.stack.environment
    found = difference(opened_state(first), opened_state(second))
    masked: dict[str, Any] = Redactor(every_secret(place)).value(found)
    return masked


def resources_of(state: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list(((state or {}).get("deployment") or {}).get("resources") or [])


def pending_in(state: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Operations that the state lists as not finished."""
    return list(((state or {}).get("deployment") or {}).get("pending_operations") or [])


def difference(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> dict[str, Any]:
    """The difference of two exports, in the shape of a plan. Not masked: see `difference_of`."""
    before, after = _by_key(first), _by_key(second)
    changes = [
        _change(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())
    ]
    order = {name: place for place, name in enumerate(OPERATIONS)}
    changes.sort(key=lambda change: order[change["operation"]])
    listed = [change for change in changes if change["operation"] != "same"]
    return {
        "summary": summarise(changes),
        "changes": listed[:MOST_CHANGES],
        "has_more": len(listed) > MOST_CHANGES,
    }


def _by_key(state: Mapping[str, Any] | None) -> dict[tuple[str, bool], dict[str, Any]]:
    # One that waits for its deletion has the URN of what replaced it.
    return {
        (str(entry.get("urn")), bool(entry.get("delete"))): entry
        for entry in resources_of(state)
        if not str(entry.get("type", "")).startswith(SKIPPED_TYPES)
    }


def _change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    state = after or before or {}
    here, there = dict(_leaves(before)), dict(_leaves(after))
    properties = [
        _property(path, here.get(path), there.get(path))
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path)
    ]
    operation = "create" if before is None else "delete" if after is None else "update"
    urn = str(state.get("urn", ""))
    return {
        "urn": urn,
        "type": str(state.get("type", "")),
        "name": urn.rpartition("::")[2],
        "operation": operation if properties or operation != "update" else "same",
        "parent": str(state.get("parent") or ""),
        "component": not state.get("custom"),
        "properties": properties,
    }


def _property(path: str, old: Any, new: Any) -> dict[str, Any]:
    kind = "add" if old is None else "delete" if new is None else "update"
    secret = "secret" in (old, new)
    if secret:
        old, new = None, SECRET_TEXTS[kind]
    return {
        "path": path,
        "kind": kind,
        "old": old,
        "new": new,
        "secret": secret,
        "forces_replacement": False,
    }


def _leaves(entry: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Path → value. A secret is the word alone: each time it is encrypted into another text."""
    if entry is None:
        return
    for name in COMPARED:
        if entry.get(name):
            yield name, shown(entry[name])
    inputs, outputs = entry.get("inputs") or {}, entry.get("outputs") or {}
    yield from _walk("", shown(inputs))
    # Most outputs repeat an input.
    own = {key: value for key, value in outputs.items() if inputs.get(key) != value}
    yield from _walk("outputs", shown(own))


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            if not str(key).startswith("__"):
                yield from _walk(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _walk(f"{path}[{number}]", inner)
    elif path and path != "outputs":
        yield path, value
