"""What changed between two sets of properties, path by path."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.runtime.proto import provider_pb2

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = provider_pb2.PropertyDiff


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of property path and `add`, `delete` or `update`. Secrets must be unwrapped."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            yield from _entry(old, new, key, _join(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _entry(dict(enumerate(old)), dict(enumerate(new)), index, f"{path}[{index}]")
    elif old != new:
        yield path, "update"


def diff_response(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    replaced_by: frozenset[str],
    *,
    delete_before_replace: bool,
) -> provider_pb2.DiffResponse:
    """The answer to `Diff`, with a detailed diff over inputs."""
    response = provider_pb2.DiffResponse(hasDetailedDiff=True)
    found = list(differences(dict(old), dict(new)))
    for path, kind in found:
        key = _head(path)
        replaces = key in replaced_by
        name = f"{kind}_replace" if replaces else kind
        response.detailedDiff[path].CopyFrom(
            _KINDS(kind=_KINDS.Kind.Value(name.upper()), inputDiff=True)
        )
        if key not in response.diffs:
            response.diffs.append(key)
        if replaces and key not in response.replaces:
            response.replaces.append(key)
    response.changes = (
        provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE
    )
    response.deleteBeforeReplace = bool(response.replaces) and delete_before_replace
    return response


def _entry(
    old: Mapping[Any, Any], new: Mapping[Any, Any], key: Any, path: str
) -> Iterator[tuple[str, str]]:
    if key not in old:
        yield path, "add"
    elif key not in new:
        yield path, "delete"
    else:
        yield from differences(old[key], new[key], path)


def _join(path: str, key: str) -> str:
    if not _PLAIN.fullmatch(key):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def _head(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]
