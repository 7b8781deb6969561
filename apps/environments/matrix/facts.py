"""
What the matrix compares: lines of facts, one fact for each environment that has one.

An app above adds lines of its own when it is ready:

    @matrix_lines("Revision", order=0)
    def revisions(places: Sequence[Environment]) -> Iterator[Line]: ...
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apps.environments.models import Environment


@dataclasses.dataclass(frozen=True)
class Fact:
    """`value` is compared, `text` is shown, `small` below it; `note` explains it by itself."""

    value: Any
    text: str
    small: str = ""
    note: str = ""


@dataclasses.dataclass
class Line:
    """
    `facts` by the environment's id. `governor` is the key of the line that decides whether this
    one is there at all: where the two differ there, an absence here needs no words of its own.
    `compared` is false where differing is the normal thing (revisions, secrets).
    """

    group: str
    key: str
    facts: dict[int, Fact] = dataclasses.field(default_factory=dict)
    governor: str = ""
    compared: bool = True


Reader = Callable[[Sequence[Environment]], Iterable[Line]]
_readers: dict[str, tuple[int, Reader]] = {}


def matrix_lines(name: str, *, order: int) -> Callable[[Reader], Reader]:
    """Adds a reader of lines; `order` places its groups."""

    def add(reader: Reader) -> Reader:
        _readers[name] = (order, reader)
        return reader

    return add


def read_lines(places: Sequence[Environment]) -> list[Line]:
    """Every line of every reader, in order."""
    readers = sorted(_readers.items(), key=lambda pair: (pair[1][0], pair[0]))
    return [line for _, (_, reader) in readers for line in reader(places)]
