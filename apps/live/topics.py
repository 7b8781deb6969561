"""
What can be followed. Each kind of topic has a source of rows and a rule who may follow; the
entrance registers them, for they live in apps above this one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from apps.core.permissions import Actor

TOPIC = re.compile(r"([a-z]{1,20})(?::([A-Za-z0-9_.-]{1,60}))?")


@dataclasses.dataclass(frozen=True)
class Row:
    """One item of a topic. `places` names the environment it tells of, where it tells of one."""

    sequence: int
    kind: str
    at: str
    payload: dict[str, Any]
    place: str = ""


class Source(Protocol):
    """Rows of topics by sequence, oldest first. Called in a thread with a database connection."""

    def tail(self, after: Mapping[str, int], limit: int) -> dict[str, list[Row]]:
        """Of each topic the rows past its sequence, at most about `limit` in all."""
        ...

    def between(self, topic: str, after: int, upto: int, limit: int) -> list[Row]:
        """Rows with after < sequence <= upto; at most `limit`."""
        ...

    def last(self, topic: str) -> int:
        """The highest sequence so far, 0 when there is none."""
        ...


Rule = Callable[[Actor, str], bool]


@dataclasses.dataclass(frozen=True)
class Kind:
    """`named`: the topic has a name after the colon. `wide`: it tells of many environments."""

    source: Source
    rule: Rule
    named: bool = True
    wide: bool = False


KINDS: dict[str, Kind] = {}


def register(kind: str, source: Source, rule: Rule, *, named: bool = True) -> None:
    """Called once per kind when the web process starts; the last one wins."""
    KINDS[kind] = Kind(source=source, rule=rule, named=named, wide=not named)


def kind_of(topic: str) -> Kind | None:
    """The kind of a well-formed topic of a known kind, else None."""
    found = TOPIC.fullmatch(topic)
    kind = KINDS.get(found[1]) if found else None
    if found is None or kind is None or kind.named is (found[2] is None):
        return None
    return kind


def may_follow(actor: Actor, topic: str) -> bool:
    """Asks the database; an unknown topic and a foreign one get the same no."""
    kind = kind_of(topic)
    return kind is not None and kind.rule(actor, topic.partition(":")[2])


def sees_something(actor: Actor, _name: str) -> bool:
    """The rule of wide topics: their rows are narrowed to what the actor sees."""
    return actor.visible_environments() != frozenset()
