"""Digests of a state and of a plan that change only when their meaning changes."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

SIGNATURE = "4dabf18193072939515e22adb298388d"
# Encrypting the same value again gives another text; the versions of secrets are hashed by the
# portal.
HIDDEN = "ciphertext"
# Where in the program a resource was registered, and when it was last touched. Only as fields of a
# resource: a
# property of the same name belongs to the meaning.
VOLATILE = ("sourcePosition", "stackTrace", "modified")
# Resources that wait for nothing of each other are written in the order in which they came, and so
# are the names that one depends on: sets, kept as lists.
UNORDERED = ("dependencies", "propertyDependencies")


def state_digest(deployment: Mapping[str, Any] | None) -> str:
    """SHA-256 of a deployment (the inner document of an export). An absent one has a digest too."""
    found = dict(deployment or {})
    found.pop("manifest", None)  # times and the engine's version
    found.pop("secrets_providers", None)  # a salt: another one re-encrypts and changes nothing else
    if not found.get("metadata"):
        found.pop("metadata", None)
    found["resources"] = sorted(map(_resource, found.get("resources") or []), key=_identity)
    found["pending_operations"] = [
        {**entry, "resource": _resource(entry.get("resource") or {})}
        for entry in found.get("pending_operations") or []
    ]
    return _digest(found)


def plan_digest(plan: Mapping[str, Any]) -> str:
    """SHA-256 of an engine's plan file, whose outermost value is an object."""
    found = dict(plan)
    found.pop("manifest", None)
    found["config"] = {key: _setting(value) for key, value in _named(found.get("config"))}
    found["resourcePlans"] = {
        urn: _step(entry) for urn, entry in _named(found.get("resourcePlans"))
    }
    return _digest(found)


def _named(value: Any) -> Iterable[tuple[str, Any]]:
    """Entries by name. A plan that was edited may be of any shape; it has a digest, too."""
    if isinstance(value, Mapping):
        return value.items()
    return [("", value)] if value else ()


def _step(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    return {
        key: _resource(value) if key == "goal" and isinstance(value, Mapping) else value
        for key, value in entry.items()
        if key != "seed"
    }


def _resource(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _as_set(value) if key in UNORDERED else value
        for key, value in entry.items()
        if key not in VOLATILE
    }


def _as_set(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_set(names) for key, names in value.items()}
    return sorted(value, key=str) if isinstance(value, list) else value


def _identity(entry: Mapping[str, Any]) -> tuple[str, str, bool]:
    return str(entry.get("urn")), str(entry.get("id")), bool(entry.get("delete"))


def _setting(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return HIDDEN
        return {key: _setting(entry) for key, entry in value.items()}
    return [_setting(entry) for entry in value] if isinstance(value, list) else value


def _digest(document: Any) -> str:
    text = json.dumps(
        _without_ciphertext(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _without_ciphertext(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value and "ciphertext" in value:
            return {**value, "ciphertext": HIDDEN}
        return {key: _without_ciphertext(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_ciphertext(entry) for entry in value]
    return value
