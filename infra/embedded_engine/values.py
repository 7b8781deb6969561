"""
Property values: one small algebra and its forms on the wire, in the checkpoint and in events.

A value is None, bool, int, float, str, list, dict, `UNKNOWN`, a `Secret` or a `Reference`. A whole
number is an int, whatever the wire says; dicts have text keys. Values are never changed in place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.embedded_engine import paths
from infra.embedded_engine.errors import RefusedError
from infra.embedded_engine.secrets import SECRET
from infra.embedded_engine.secrets import SIGNATURE as SIG
from infra.embedded_engine.state import urn_name, urn_type

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value

# What a map stands for that has the key SIG, besides a secret.
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSETS = ("c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7")

Seal = Callable[[Any], Mapping[str, Any]]
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_TEXTS = {  # the untyped one, then bool, number, list, asset, archive, map
    *(UNKNOWN_TEXT, "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", "3eeb2bf0-c639-47a8-9e75-3b44932eb421"),
    *("6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", "030794c1-ac77-496b-92df-f27374a8bd58"),
    *("e48ece36-62e2-4504-bad9-02848725956a", "dd056dcd-154b-4c76-9bd3-c8f88648b5ff"),
}


class Unknown:
    """A value that a preview cannot know yet."""


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted at rest and masked in events; never holds another Secret."""

    value: Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource given as a value. `id` is None for a component, "" while it is unknown."""

    urn: str
    id: str | None
    version: str = ""


def secret(value: Any) -> Secret:
    """The value as a secret; secrets inside collapse into it."""
    return Secret(plain(value))


def opened(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value


def plain(value: Any) -> Any:
    """The value without its secret marks, at any depth."""
    value = opened(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def _any(value: Any, test: Callable[[Any], bool]) -> bool:
    inner = opened(value)
    parts = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    return test(value) or test(inner) or any(_any(part, test) for part in parts)


def has_secret(value: Any) -> bool:
    return _any(value, lambda v: isinstance(v, Secret))


def has_unknown(value: Any) -> bool:
    return _any(value, lambda v: v is UNKNOWN)


def same(a: Any, b: Any) -> bool:
    """Deep equality: 1 equals 1.0, but true is no number."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Secret) and isinstance(b, Secret):
        return same(a.value, b.value)
    return a is b if isinstance(a, bool) or isinstance(b, bool) else bool(a == b)


def annotate(answer: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a receiver that takes no secrets, with the marks that were sent put back."""
    out = dict(answer)
    for key in out.keys() & sent.keys():
        if isinstance(sent[key], dict) and isinstance(out[key], dict):
            out[key] = annotate(out[key], sent[key])
        elif has_secret(sent[key]) and not isinstance(out[key], Secret):
            out[key] = secret(out[key])
    return out


def differences(old: Any, new: Any, at: paths.Path = ()) -> Iterator[tuple[paths.Path, str]]:
    """
    Paths that differ, each with `add`, `delete` or `update`: the leaves, lists by index.

    Secret marks are looked through, in a map null is nothing, an unknown differs from everything.
    """
    old, new = opened(old), opened(new)
    steps: Iterable[Any]
    if isinstance(old, dict) and isinstance(new, dict):
        old, new = ({k: v for k, v in side.items() if opened(v) is not None} for side in (old, new))
        steps = sorted(old.keys() | new.keys())
    elif isinstance(old, list) and isinstance(new, list):
        steps = range(max(len(old), len(new)))
    else:
        if old is UNKNOWN or new is UNKNOWN or not same(old, new):
            yield at, "update"
        return
    for step in steps:
        if paths.has(old, step) and paths.has(new, step):
            yield from differences(old[step], new[step], (*at, step))
        else:
            yield (*at, step), "delete" if paths.has(old, step) else "add"


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a receiver of values understands; the rest is replaced by something plainer."""

    secrets: bool = True
    references: bool = True
    unknowns: bool = True  # without it unknown entries are left out
    names: bool = True  # references tell name and type, as messages do and files do not


EVERYTHING = Accepts()
STORED = Accepts(names=False)
CLEAR = Accepts(secrets=False, names=False)


def from_struct(struct: Struct, depends: dict[str, set[str]] | None = None) -> dict[str, Any]:
    """
    The map in a message; output values become what they hold.

    `depends`, when given, receives for each key the URNs on which output values in it depend.
    """
    depends = {} if depends is None else depends
    fields = struct.fields.items()
    return {k: from_value(v, depends.setdefault(k, set())) for k, v in fields}


def from_value(message: Value, depends: set[str]) -> Any:
    match message.WhichOneof("kind"):
        case "string_value":
            text = message.string_value
            return UNKNOWN if text in UNKNOWN_TEXTS else text
        case "number_value":
            return number(message.number_value)
        case "bool_value":
            return message.bool_value
        case "struct_value":
            fields = message.struct_value.fields
            entries = {k: from_value(v, depends) for k, v in fields.items()}
            return _marked(entries, depends) if SIG in entries else entries
        case "list_value":
            return [from_value(v, depends) for v in message.list_value.values]
    return None


def number(value: float) -> int | float:
    """Whole numbers below 1e21 as int, so that they are written without a fraction."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _marked(entries: dict[str, Any], depends: set[str]) -> Any:
    mark = entries[SIG]
    if mark == SECRET[SIG]:
        return secret(entries.get("value"))
    if mark == OUTPUT:
        depends.update(entries.get("dependencies") or [])
        value = entries.get("value", UNKNOWN)
        return secret(value) if entries.get("secret") else value
    if mark == REFERENCE:
        id_ = "" if entries.get("id") is UNKNOWN else entries.get("id")
        return Reference(entries["urn"], id_, entries.get("packageVersion") or "")
    if mark in ASSETS:
        raise RefusedError("assets and archives")
    return entries


def to_struct(entries: Mapping[str, Any], accepts: Accepts = EVERYTHING) -> Struct:
    from google.protobuf.struct_pb2 import Struct as Message  # noqa: PLC0415 - not in every command

    struct = Message()
    struct.update(to_json(entries, lambda value: {"value": value}, accepts))
    return struct


def to_json(value: Any, seal: Seal | None, accepts: Accepts = STORED) -> Any:
    """The value as JSON. `seal` makes the keys beside the mark of a secret from what it holds."""
    if isinstance(value, dict):
        items = value.items()
        if not accepts.unknowns:
            items = {k: v for k, v in items if opened(v) is not UNKNOWN}.items()
        return {k: to_json(v, seal, accepts) for k, v in items}
    if isinstance(value, list):
        kept = value if accepts.unknowns else [v for v in value if opened(v) is not UNKNOWN]
        return [to_json(v, seal, accepts) for v in kept]
    if isinstance(value, Secret):
        inner = to_json(value.value, seal, accepts)
        return {**SECRET, **seal(inner)} if seal and accepts.secrets else inner
    if isinstance(value, Reference):
        return _reference(value, accepts)
    return UNKNOWN_TEXT if value is UNKNOWN else value


def _reference(ref: Reference, accepts: Accepts) -> Any:
    if not accepts.references:
        return ref.urn if ref.id is None else ref.id or UNKNOWN_TEXT
    out = {SIG: REFERENCE, "urn": ref.urn} | ({} if ref.id is None else {"id": ref.id})
    if accepts.names:
        out |= {"name": urn_name(ref.urn), "type": urn_type(ref.urn)}
    return out | ({"packageVersion": ref.version} if ref.version or not accepts.names else {})


def json_text(value: Any) -> str:
    """Compact JSON with sorted keys; secrets are in the clear."""
    value = to_json(value, None, CLEAR)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def from_json(value: Any, unseal: Callable[[str], str]) -> Any:
    """The value of a checkpoint or plan; `unseal` answers the plaintext of a ciphertext."""
    if isinstance(value, dict):
        if value.get(SIG) == SECRET[SIG] and value.keys() & {"ciphertext", "plaintext"}:
            text = value["plaintext"] if "plaintext" in value else unseal(value["ciphertext"])
            return secret(from_json(json.loads(text), unseal))
        entries = {k: from_json(v, unseal) for k, v in value.items()}
        return _marked(entries, set()) if SIG in entries else entries
    if isinstance(value, list):
        return [from_json(v, unseal) for v in value]
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWN_TEXTS else value
    return number(value) if isinstance(value, float) else value


def masked(value: Any) -> Any:
    """The value as events and everything else that people read shows it."""
    return to_json(value, lambda _: {"ciphertext": "[secret]"})
