"""
The plan as people read it: reduced from a preview's engine events. Pure functions.

    {"summary": {"create": n, "update": n, "replace": n, "delete": n, "same": n},
     "changes": [{"urn", "type", "name", "operation", "parent", "component",
                  "properties": [{"path", "kind", "old", "new", "secret", "forces_replacement"}]}],
     "has_more": bool}

Deletes and replaces come first. A secret's values are never there: `new` is "secret changed" (or
"secret set", "secret removed"). A value that is known only after the update is "known after apply".
The outputs of the stack follow its resources; where they are all that changes, they are one update.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

SECRET_KEY = "4dabf18193072939515e22adb298388d"  # noqa: S105 - Pulumi's signature key, not a secret
SECRET_TEXT = "[secret]"  # noqa: S105 - what the engine writes in a secret's place
# The engine's own markers of values that nobody knows yet.
UNKNOWNS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "output<string>",
        "known after apply",
    }
)
KNOWN_LATER = "known after apply"
OPERATIONS = ("delete", "replace", "update", "create", "same")
# The engine tells a replacement in up to three steps; people read one.
REPLACING = frozenset(
    {"replace", "create-replacement", "delete-replaced", "discard-replaced", "import-replacement"}
)
NAMES = {"read": "same", "import": "create", "remove-pending-replace": "delete"}
SKIPPED_OPERATIONS = frozenset({"refresh", "read-discard", "read-replacement"})
# The stack itself and the engine's own bookkeeping are no change to the environment.
STACK = "pulumi:pulumi:Stack"
SKIPPED_TYPES = (STACK, "pulumi:providers:")
MOST_CHANGES = 2000
LONGEST_VALUE = 2000


class PlanReader:
    """Takes the engine's events of a preview one by one."""

    def __init__(self) -> None:
        self._changes: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, Any] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """One engine event; what is no step of the plan is passed over."""
        body = event.get("resourcePreEvent") or event.get("resOutputsEvent")
        if not isinstance(body, dict):
            return
        metadata = body.get("metadata") or {}
        operation = _operation(str(metadata.get("op", "")))
        kind = str(metadata.get("type", ""))
        if kind == STACK and operation in ("same", "update") and "resOutputsEvent" in event:
            self._outputs = _outputs_change(metadata)
        if not operation or kind.startswith(SKIPPED_TYPES):
            return
        urn = str(metadata.get("urn", ""))
        found = _change(urn, kind, operation, metadata)
        known = self._changes.get(urn)
        if known is None or _outranks(found, known):
            self._changes[urn] = found

    def plan(self) -> dict[str, Any]:
        """The plan; see the module's text for its shape."""
        order = {name: place for place, name in enumerate(OPERATIONS)}
        found = list(self._changes.values())
        if self._outputs and all(change["operation"] == "same" for change in found):
            found.append(self._outputs)
        changes = sorted(found, key=lambda change: (order[change["operation"]], change["urn"]))
        listed = [change for change in changes if change["operation"] != "same"]
        return {
            "summary": summarise(changes),
            "changes": listed[:MOST_CHANGES],
            "has_more": len(listed) > MOST_CHANGES,
        }


def summarise(changes: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Counts of real resources by operation; components only group them."""
    counts = dict.fromkeys(("create", "update", "replace", "delete", "same"), 0)
    for change in changes:
        if not change["component"]:
            counts[change["operation"]] += 1
    return counts


def has_changes(plan: Mapping[str, Any]) -> bool:
    """Whether applying it would do anything."""
    return bool(plan.get("changes"))


def change_count(plan: Mapping[str, Any]) -> int:
    """Changes to real resources: the number on the button."""
    summary = plan.get("summary") or {}
    return sum(count for name, count in summary.items() if name != "same")


def digest_of_plan(plan: Mapping[str, Any]) -> str:
    """SHA-256 of the reduced plan: where the engine keeps no plan of its own (destroy)."""
    text = json.dumps(plan.get("changes", []), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _operation(name: str) -> str:
    if name in REPLACING:
        return "replace"
    if name in SKIPPED_OPERATIONS:
        return ""
    name = NAMES.get(name, name)
    return name if name in OPERATIONS else ""


def _outranks(found: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """The step that tells more wins: one with properties, then the later one."""
    if known["operation"] == "replace" and found["operation"] != "replace":
        return False
    return bool(found["properties"]) or not known["properties"]


def _change(urn: str, kind: str, operation: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    state = new or old
    return {
        "urn": urn,
        "type": kind,
        "name": urn.rpartition("::")[2],
        "operation": operation,
        "parent": str(state.get("parent") or ""),
        # The engine leaves `custom` out where it is false.
        "component": bool(state) and not state.get("custom"),
        "properties": [] if operation == "same" else _properties(operation, metadata),
    }


def _outputs_change(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the stack gives to others, where that differs; empty where it does not."""
    old, new = ((metadata.get(side) or {}).get("outputs") or {} for side in ("old", "new"))
    properties = [
        _described(
            name, "update" if name in new else "delete", old.get(name), new.get(name), forces=False
        )
        for name in sorted({*old, *new})
        if not _equal(old.get(name), new.get(name))
    ]
    urn = str(metadata.get("urn", ""))
    change = {"urn": urn, "type": STACK, "name": "outputs", "operation": "update", "parent": ""}
    return {**change, "component": False, "properties": properties} if properties else {}


def _equal(old: Any, new: Any) -> bool:
    """Whether two values are the same; of two secrets nobody here can tell that they are not."""
    if is_secret(old) and is_secret(new):
        return True
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_equal(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_equal, old, new))
    return bool(old == new)


def _properties(operation: str, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    old, new = (_sides(metadata.get(name) or {}) for name in ("old", "new"))
    detailed = metadata.get("detailedDiff") or {}
    forcing = set(metadata.get("keys") or [])
    if operation in ("create", "delete"):
        paths = {
            path: operation
            for path in sorted(new["inputs"] or old["inputs"])
            if not path.startswith("__")
        }
    elif detailed:
        paths = {path: str((entry or {}).get("diffKind", "")) for path, entry in detailed.items()}
    else:
        paths = dict.fromkeys(metadata.get("diffs") or [], "update")
    return [
        _property(path, kind, old, new, forces=kind.endswith("-replace") or path in forcing)
        for path, kind in paths.items()
    ]


def _sides(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: state.get(name) or {} for name in ("inputs", "outputs")}


def _property(
    path: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any], *, forces: bool
) -> dict[str, Any]:
    before, after = (value_at(side["inputs"], path) for side in (old, new))
    if before is None and after is None:
        # Drift shows in what was read, not in what was declared.
        before, after = (value_at(side["outputs"], path) for side in (old, new))
    return _described(path, kind, before, after, forces=forces)


def _described(path: str, kind: str, before: Any, after: Any, *, forces: bool) -> dict[str, Any]:
    word = _kind(kind, before, after)
    secret = is_secret(before) or is_secret(after)
    if secret:
        texts = {"add": "secret set", "delete": "secret removed"}
        before, after = None, texts.get(word, "secret changed")
    return {
        "path": path,
        "kind": word,
        "old": shown(before),
        "new": shown(after),
        "secret": secret,
        "forces_replacement": forces,
    }


def _kind(kind: str, before: Any, after: Any) -> str:
    if kind.startswith(("add", "create")):
        return "add"
    if kind.startswith("delete"):
        return "delete"
    if kind.startswith("update") and before is None and after is not None:
        return "add"
    return "update"


def value_at(value: Any, path: str) -> Any:
    """Follows a property path such as `servers[0].port` or `tags["a.b"]`; None where it ends."""
    for step in _steps(path):
        if is_secret(value):
            return value
        if isinstance(value, list) and isinstance(step, int):
            value = value[step] if 0 <= step < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return None
    return value


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    rest = path
    while rest:
        if rest.startswith('["'):
            key, _, rest = rest[2:].partition('"]')
            steps.append(key)
        elif rest.startswith("["):
            index, _, rest = rest[1:].partition("]")
            steps.append(int(index) if index.isdigit() else index)
        else:
            rest = rest.removeprefix(".")
            end = min((place for place in map(rest.find, ".[") if place >= 0), default=len(rest))
            steps.append(rest[:end])
            rest = rest[end:]
            if end == 0:
                break
    return steps


def is_secret(value: Any) -> bool:
    """Whether the engine marked it as secret: by its signature, or by its mask."""
    return value == SECRET_TEXT or (isinstance(value, Mapping) and SECRET_KEY in value)


def shown(value: Any) -> Any:
    """A value fit for the plan: secrets inside masked, unknowns named, long texts cut."""
    if is_secret(value):
        return "secret"
    if isinstance(value, str):
        if value in UNKNOWNS:
            return KNOWN_LATER
        return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value
