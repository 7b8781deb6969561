"""
What an approval is bound to: SHA-256 over the canonical JSON of named parts. Pure functions.

Each part is shown by its name on the page, and named again when it has moved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from apps.deployments.configuration import digest_of

LABELS = {
    "environment": "Environment",
    "operation": "Operation",
    "targets": "Targets",
    "commit": "Commit",
    "program_digest": "Program tree",
    "lock_digest": "Lock file",
    "config_digest": "Configuration",
    "engine": "Engine",
    "provider": "Provider",
    "state_digest": "State",
    "plan_digest": "Plan",
}


@dataclasses.dataclass(frozen=True)
class Moved:
    """One part that is not what it was when the plan was made."""

    part: str
    old: Any
    new: Any

    def sentence(self) -> str:
        label = LABELS.get(self.part, self.part)
        return f"{label} was {short(self.old)}, now {short(self.new)}"


def make_parts(
    *,
    environment: str,
    operation: str,
    targets: Sequence[str],
    commit: str,
    config_digest: str,
    hello: Mapping[str, Any],
    state_digest: str,
    plan_digest: str,
) -> dict[str, Any]:
    """The parts, from what the portal knows and what the host said of itself."""
    program = hello.get("program") or {}
    return {
        "environment": environment,
        "operation": operation,
        "targets": sorted(targets),
        "commit": commit,
        "program_digest": program.get("digest") or "",
        "lock_digest": program.get("lock_digest") or "",
        "config_digest": config_digest,
        "engine": named(hello.get("engine")),
        "provider": named(hello.get("provider")),
        "state_digest": state_digest,
        "plan_digest": plan_digest,
    }


def fingerprint_of(parts: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal."""
    return digest_of(dict(parts))


def moved_parts(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Moved]:
    """What differs, in the order in which the card shows the parts."""
    names = [*LABELS, *sorted(set(then) | set(now) - set(LABELS))]
    return [
        Moved(name, then.get(name), now.get(name))
        for name in dict.fromkeys(names)
        if then.get(name) != now.get(name)
    ]


def named(thing: Any) -> str:
    """`embedded 3.272.0` from `{"name", "version"}`."""
    if not isinstance(thing, Mapping):
        return ""
    return f"{thing.get('name', '')} {thing.get('version', '')}".strip()


def short(value: Any) -> str:
    """A digest as its first twelve digits, anything else as it is."""
    if value in (None, "", []):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    is_digest = len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_digest else text
