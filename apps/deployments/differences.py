"""What lies between two configurations and between two kept programs. Pure comparison."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from apps.deployments.keeping import kept_program

LONGEST_TEXT = 120


@dataclasses.dataclass(frozen=True)
class Difference:
    """One setting or secret: what it is now and what it would be; None where it is not set."""

    path: str
    now: str | None
    then: str | None


@dataclasses.dataclass(frozen=True)
class FileDifference:
    """One file of the program, with the lines that would come and go."""

    path: str
    change: str
    added: int
    removed: int


def configurations_between(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[Difference]:
    """By path, from configurations as they are described; secrets by version only."""
    here, there = dict(_flat(now)), dict(_flat(then))
    return [
        Difference(path, here.get(path), there.get(path))
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path)
    ]


def _flat(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, entry in configuration.items():
        name = key.removeprefix("orchestra:")
        if "secret_version" in entry:
            yield name, f"secret, version {entry['secret_version']}"
        else:
            yield from _leaves(name, entry.get("value"))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}.{_name_of(inner, number)}", inner)
    else:
        yield path, str(value)[:LONGEST_TEXT]


def _name_of(value: Any, number: int) -> str:
    """Entries of a list go by their name where they have one: order is no difference."""
    return str(value["name"]) if isinstance(value, dict) and "name" in value else str(number)


def programs_between(now: str, then: str) -> list[FileDifference]:
    """By name, from the kept trees of two digests. Empty where the programs are the same."""
    if now == then:
        return []
    here, there = _files(now), _files(then)
    return [
        _file_difference(path, here.get(path), there.get(path))
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path)
    ]


def _files(digest: str) -> dict[str, bytes]:
    folder = kept_program(digest)
    if folder is None:
        return {}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _file_difference(path: str, now: bytes | None, then: bytes | None) -> FileDifference:
    before = (now or b"").decode(errors="replace").splitlines()
    after = (then or b"").decode(errors="replace").splitlines()
    # The first two lines are the names of the files.
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    change = "added" if now is None else "removed" if then is None else "changed"
    added = sum(line.startswith("+") for line in lines)
    return FileDifference(path, change, added, sum(line.startswith("-") for line in lines))
