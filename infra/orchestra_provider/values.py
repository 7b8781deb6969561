"""Property values as the engine sends them: secrets, unknowns, and the text of both."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (Pulumi's mark for a secret, not one)
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# The engine always writes the first; these typed ones must be read as unknown too.
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# Shorter texts turn up everywhere by chance.
SHORTEST_SECRET = 3

Properties = dict[str, Any]


def from_struct(message: struct_pb2.Struct) -> Properties:
    return json_format.MessageToDict(message)


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def wrap(value: Any) -> Any:
    """The value as a secret. One that is secret already stays as it is."""
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": unwrap(value)}


def unwrap(value: Any) -> Any:
    """The value without secret wrappers at any depth, whole numbers as int."""
    if is_secret(value):
        return unwrap(value.get("value"))
    if isinstance(value, dict):
        return {key: unwrap(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [unwrap(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def has_unknown(value: Any) -> bool:
    """Whether the value is unknown or holds something unknown. Only previews send such values."""
    if isinstance(value, dict):
        return any(has_unknown(entry) for entry in value.values())
    if isinstance(value, list):
        return any(has_unknown(entry) for entry in value)
    return isinstance(value, str) and value in UNKNOWNS


def has_secret(value: Any) -> bool:
    if is_secret(value):
        return True
    if isinstance(value, dict):
        return any(has_secret(entry) for entry in value.values())
    return isinstance(value, list) and any(has_secret(entry) for entry in value)


def secret_texts(value: Any, *, inside: bool = False) -> set[str]:
    """Every text that stands inside a secret of these properties."""
    if is_secret(value):
        return secret_texts(value.get("value"), inside=True)
    if isinstance(value, dict):
        return _union(secret_texts(entry, inside=inside) for entry in value.values())
    if isinstance(value, list):
        return _union(secret_texts(entry, inside=inside) for entry in value)
    usable = inside and isinstance(value, str) and len(value) >= SHORTEST_SECRET
    return {value} - UNKNOWNS if usable else set()


def keep_secret(properties: Mapping[str, Any], *sources: Mapping[str, Any]) -> Properties:
    """
    Wraps what is secret in a source under the same name, and what repeats a source's secret under
    another.

    The engine only knows the first kind: an output that repeats a secret would stand in the state
    as plain text.
    """
    names = {key for source in sources for key, value in source.items() if has_secret(value)}
    texts = _union(secret_texts(source) for source in sources)
    return {
        key: wrap(value) if key in names or repeats(value, texts) else value
        for key, value in properties.items()
    }


def repeats(value: Any, texts: set[str]) -> bool:
    """Whether a text of the value contains one of the secrets."""
    if isinstance(value, dict):
        return any(repeats(entry, texts) for entry in value.values())
    if isinstance(value, list):
        return any(repeats(entry, texts) for entry in value)
    return isinstance(value, str) and any(text in value for text in texts)


def _union(sets: Iterable[set[str]]) -> set[str]:
    return set().union(*sets)
