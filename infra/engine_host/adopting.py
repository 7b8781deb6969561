"""What an unfinished create left behind goes into the state under its id; a refresh reads it."""

import json
import os
from collections.abc import Mapping
from typing import Any

from infra.engine_host.backend import deployment_of
from infra.engine_host.command import HostCommand
from infra.engine_host.protocol import Request

CREATING = "creating"


class AdoptionError(Exception):
    """One of the given URNs cannot be adopted. `code` is the result's."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def with_adopted(state: Mapping[str, Any] | None, ids: Mapping[str, str]) -> dict[str, Any]:
    """
    The state in which the pending creates of these URNs are resources with these ids, and no other
    pending create is left. Their outputs are not known before they are read. Raises AdoptionError.
    """
    inner = deployment_of(state)
    pending = inner.get("pending_operations") or []
    creates = {
        str(entry["resource"].get("urn")): entry["resource"]
        for entry in pending
        if entry.get("type") == CREATING and isinstance(entry.get("resource"), dict)
    }
    resources = list(inner.get("resources") or [])
    known = {str(entry.get("urn")) for entry in resources}
    for urn in ids:
        _check(urn, creates, known)
    resources += [{**creates[urn], "id": identity} for urn, identity in ids.items()]
    rest = [entry for entry in pending if entry.get("type") != CREATING]
    found = {**inner, "resources": resources, "pending_operations": rest}
    if not rest:
        found.pop("pending_operations")
    return {**(state or {}), "deployment": found}


def _check(urn: str, creates: Mapping[str, Any], known: set[str]) -> None:
    name = urn.rpartition("::")[2]
    if urn not in creates:
        raise AdoptionError("adopt.unknown", f"The state lists no pending create of {name}.")
    if not creates[urn].get("custom"):
        raise AdoptionError("adopt.unknown", f"{name} is a component: nothing real has its id.")
    if urn in known:
        raise AdoptionError(
            "adopt.recorded", f"The state has {name} already: its replacement was under way."
        )


def write_adopted(request: Request, command: HostCommand, state: Mapping[str, Any] | None) -> None:
    """
    Puts it into the backend through the engine, which checks it, takes the lock and drops what is
    still pending. Raises AdoptionError, CommandError.
    """
    document = with_adopted(state, request.adopt)
    path = request.work_dir / "adopt.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
        line = ["stack", "import", "--file", str(path), "--stack", request.stack]
        command.run(line, str(request.work_dir), {})
    finally:
        path.unlink(missing_ok=True)
