"""
Reads and mends the state backend of one stack: state, locks, pending operations.

For `file://` it reads the files itself, which costs no engine process; other backends are asked
through the engine.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from infra.engine_host.digests import SIGNATURE

ORGANIZATION = "organization"  # what Pulumi's own backends call everyone's organisation


class StateDamagedError(Exception):
    """The state of the stack cannot be read."""


class FileBackend:
    """Pulumi's own file backend, looked at from the side."""

    def __init__(self, url: str, project: str, stack: str) -> None:
        folder = Path(unquote(urlsplit(url).path)).expanduser() / ".pulumi"
        self._stack = folder / "stacks" / project / f"{stack}.json"
        self._journal = folder / "stacks" / project / f"{stack}.journal"
        self._locks = folder / "locks" / ORGANIZATION / project / stack

    def stack_exists(self) -> bool:
        return any(path.exists() for path in self._candidates())

    def has_journal(self) -> bool:
        """Whether an engine that was killed left changes that only the embedded engine folds in."""
        return self._journal.exists()

    def read(self) -> dict[str, Any] | None:
        """
        The state as an export has it, secrets as ciphertext; None when there is no such stack.
        Raises StateDamagedError.
        """
        try:
            text = self._read_text()
            return None if text is None else export_document(json.loads(text))
        except (OSError, ValueError, EOFError) as error:
            raise StateDamagedError(f"{self._stack.name} cannot be read: {error}") from error

    def _read_text(self) -> bytes | None:
        plain, packed, zstd = self._candidates()
        if plain.exists():
            return plain.read_bytes()
        if packed.exists():
            return gzip.decompress(packed.read_bytes())
        if zstd.exists():
            raise StateDamagedError("The state is packed with zstd, which only the CLI reads.")
        return None

    def _candidates(self) -> tuple[Path, Path, Path]:
        name = str(self._stack)
        return self._stack, Path(f"{name}.gz"), Path(f"{name}.zst")

    def locks(self) -> list[dict[str, Any]]:
        """Who holds the stack, as the engine wrote it; unreadable ones are bare names."""
        found = []
        for path in self._lock_files():
            try:
                entry = json.loads(path.read_bytes())
            except (OSError, ValueError):
                entry = {}
            keys = ("pid", "hostname", "username", "timestamp")
            found.append({"name": path.stem, **{key: entry.get(key) for key in keys}})
        return found

    def remove_locks(self, wanted: Iterable[Mapping[str, Any]]) -> list[str]:
        """Removes exactly the given locks. Answers the names that are not as described."""
        present = {_identity(lock) for lock in self.locks()}
        refused = []
        for lock in wanted:
            name = str(lock.get("name"))
            if _identity(lock) not in present:
                refused.append(name)
                continue
            for suffix in (".json", ".json.attrs"):
                (self._locks / f"{name}{suffix}").unlink(missing_ok=True)
        return refused

    def others(self, known: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Locks that are not among the given ones."""
        identities = {_identity(lock) for lock in known}
        return [lock for lock in self.locks() if _identity(lock) not in identities]

    def _lock_files(self) -> list[Path]:
        try:
            return sorted(self._locks.glob("*.json"))
        except OSError:
            return []


def _identity(lock: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(lock.get(key) for key in ("name", "pid", "hostname"))


def file_backend(url: str, project: str, stack: str) -> FileBackend | None:
    """None for backends that only the engine can read."""
    return FileBackend(url, project, stack) if url.startswith("file://") else None


def prepare_folder(url: str) -> None:
    """Makes the folder of a file backend, for this user only."""
    if url.startswith("file://"):
        Path(unquote(urlsplit(url).path)).mkdir(mode=0o700, parents=True, exist_ok=True)


def export_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint file or an export, as `{"version", "deployment"}`."""
    inner = document.get("checkpoint")
    latest = inner.get("latest") if isinstance(inner, dict) else document.get("deployment")
    version = document.get("version", 3)
    features = {"features": document["features"]} if document.get("features") else {}
    return {"version": version, **features, "deployment": latest or {}}


def deployment_of(state: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict((state or {}).get("deployment") or {})


def pending_operations(state: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """What was under way when an engine died: `[{"urn", "type", "operation"}]`."""
    found = []
    for entry in deployment_of(state).get("pending_operations") or []:
        resource = entry.get("resource") or {}
        found.append(
            {
                "urn": resource.get("urn", ""),
                "type": resource.get("type", ""),
                "operation": entry.get("type", ""),
            }
        )
    return found


def stack_outputs(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Outputs of the stack; a secret is `{"secret": true}` without its value."""
    for resource in deployment_of(state).get("resources") or []:
        if resource.get("type") == "pulumi:pulumi:Stack":
            return {k: _open(v) for k, v in (resource.get("outputs") or {}).items()}
    return {}


def _open(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value:
            return {"secret": True}
        return {key: _open(entry) for key, entry in value.items()}
    return [_open(entry) for entry in value] if isinstance(value, list) else value


def real_resources(state: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Custom resources of real providers: what exists outside the state."""
    return [
        resource
        for resource in deployment_of(state).get("resources") or []
        if resource.get("custom")
        and not str(resource.get("type", "")).startswith(("pulumi:providers:", "pulumi:pulumi:"))
    ]
