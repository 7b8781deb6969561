"""The two directions of the host's contract: the request that comes in, the lines that go out."""

import dataclasses
import json
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

PROTOCOL = 1

ENGINE_OPERATIONS = ("preview", "update", "refresh", "destroy", "drift", "import")
SERVICE_OPERATIONS = ("inspect", "unlock", "restore", "describe")
# These change the real world or the state, so they are refused while the state has pending
# operations.
MUTATING = ("update", "refresh", "destroy", "import")


class RequestError(Exception):
    """The request breaks the contract; the text names the key."""


@dataclasses.dataclass(frozen=True)
class Program:
    kind: str = "builtin"
    path: str | None = None


@dataclasses.dataclass(frozen=True)
class ConfigValue:
    value: Any
    secret: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """One operation on one stack. `README.md` beside this file gives the meaning of each key."""

    run: str
    operation: str
    project: str
    stack: str
    work_dir: Path
    backend_url: str
    engine_roots: tuple[str, ...]
    pulumi_home: Path
    passphrase_file: str = ""
    encryption_salt: str | None = None
    program: Program = Program()
    config: Mapping[str, ConfigValue] = dataclasses.field(default_factory=dict)
    refresh: bool = False
    destroy: bool = False
    targets: tuple[str, ...] = ()
    plan: str | None = None
    clear_pending_creates: bool = False
    adopt: Mapping[str, str] = dataclasses.field(default_factory=dict)
    state: str | None = None
    keep: str | None = None
    locks: tuple[Mapping[str, Any], ...] = ()
    imports: tuple[Mapping[str, Any], ...] = ()
    parallel: int | None = None
    time_limit: float = 3600.0
    grace: float = 30.0


_TYPES: dict[str, tuple[type, ...]] = {
    "run": (str, int),
    "operation": (str,),
    "project": (str,),
    "stack": (str,),
    "work_dir": (str,),
    "backend_url": (str,),
    "engine_roots": (list,),
    "pulumi_home": (str, type(None)),
    "passphrase_file": (str, type(None)),
    "encryption_salt": (str, type(None)),
    "program": (dict, type(None)),
    "config": (dict, type(None)),
    "refresh": (bool, type(None)),
    "destroy": (bool, type(None)),
    "targets": (list, type(None)),
    "plan": (str, type(None)),
    "clear_pending_creates": (bool, type(None)),
    "adopt": (dict, type(None)),
    "state": (str, type(None)),
    "keep": (str, type(None)),
    "locks": (list, type(None)),
    "imports": (list, type(None)),
    "parallel": (int, type(None)),
    "time_limit": (int, float, type(None)),
    "grace": (int, float, type(None)),
}
_REQUIRED = ("run", "operation", "project", "stack", "work_dir", "backend_url", "engine_roots")


def parse_request(line: str) -> Request:
    """Reads the first line of standard input. Raises RequestError with the key that is wrong."""
    try:
        document = json.loads(line)
    except ValueError as error:
        raise RequestError(f"The request is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise RequestError("The request is not a JSON object.")
    if document.get("protocol") != PROTOCOL:
        raise RequestError(
            f"The request has protocol {document.get('protocol')!r}; this host speaks {PROTOCOL}."
        )
    _check_types(document)
    return _build(document)


def _check_types(document: Mapping[str, Any]) -> None:
    for key in _REQUIRED:
        if key not in document:
            raise RequestError(f"The request lacks {key!r}.")
    for key, types in _TYPES.items():
        value = document.get(key)
        if key in document and (
            not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
        ):
            names = " or ".join("null" if t is type(None) else t.__name__ for t in types)
            raise RequestError(
                f"The request's {key!r} is {type(value).__name__}; it takes {names}."
            )
    operation = document["operation"]
    if operation not in ENGINE_OPERATIONS + SERVICE_OPERATIONS:
        raise RequestError(f"The request's operation {operation!r} is not known.")


def _build(document: Mapping[str, Any]) -> Request:
    known = {field.name for field in dataclasses.fields(Request)}
    # A key that is null says the same as a key that is absent.
    values = {k: v for k, v in document.items() if k in known and v is not None}
    values["run"] = str(values["run"])
    values["work_dir"] = Path(values["work_dir"])
    values["pulumi_home"] = Path(values.get("pulumi_home") or values["work_dir"] / "home")
    values["program"] = _program(document.get("program"))
    values["config"] = _config(document.get("config"))
    values["adopt"] = _ids(document.get("adopt"))
    for key in ("engine_roots", "targets", "locks", "imports"):
        values[key] = tuple(values.get(key, ()))
    return Request(**values)


def _program(value: Mapping[str, Any] | None) -> Program:
    if value is None:
        return Program()
    kind, path = value.get("kind"), value.get("path")
    if kind == "builtin" and (path is None or isinstance(path, str)):
        return Program("builtin", path)
    if kind == "directory" and isinstance(path, str):
        return Program("directory", path)
    raise RequestError('The request\'s \'program\' is neither {"kind": "builtin"} nor a directory.')


def _ids(value: Mapping[str, Any] | None) -> dict[str, str]:
    for urn, identity in (value or {}).items():
        if not isinstance(identity, str) or not identity:
            raise RequestError(f"The request's 'adopt' has no id for {urn!r}.")
    return dict(value or {})


def _config(value: Mapping[str, Any] | None) -> dict[str, ConfigValue]:
    found = {}
    for key, entry in (value or {}).items():
        if not isinstance(entry, dict) or "value" not in entry:
            raise RequestError(f"The request's config key {key!r} has no 'value'.")
        found[key] = ConfigValue(entry["value"], bool(entry.get("secret", False)))
    return found


class Lines:
    """Writes the host's lines: one JSON document each, whole, from any thread."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._broken = False

    def write(self, kind: str, **keys: Any) -> None:
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = json.dumps({"type": kind, "at": at, **keys}, ensure_ascii=False)
        with self._lock:
            if self._broken:
                return
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                # The reader is gone. The operation goes on to its orderly end without it.
                self._broken = True
