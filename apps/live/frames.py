"""The texts that go to sockets. Rows are made text once for all who may see the same."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from apps.live.topics import Row

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


class Frame:
    """
    Rows of one topic, first to last. On a wide topic a row about an environment is left out for
    those who do not see it, and a row that names none loses its payload for them.
    """

    def __init__(self, topic: str, rows: Sequence[Row], *, wide: bool) -> None:
        self.topic = topic
        self.rows = rows
        self.wide = wide
        self.last = rows[-1].sequence
        self._texts: dict[frozenset[str] | None, str] = {}

    @functools.cached_property
    def size(self) -> int:
        """Characters of the whole text; near enough to bytes for a bound."""
        return len(self.text_for(None))

    def text_for(self, places: frozenset[str] | None) -> str:
        """`places` None sees everything."""
        key = places if self.wide else None
        if key not in self._texts:
            rows = self.rows if key is None else [*_narrowed(self.rows, key)]
            self._texts[key] = messages(self.topic, rows)
        return self._texts[key]

    def since(self, sequence: int) -> Frame | None:
        """The same without the rows up to `sequence`; None when nothing is left."""
        rows = [row for row in self.rows if row.sequence > sequence]
        return Frame(self.topic, rows, wide=self.wide) if rows else None


def _narrowed(rows: Sequence[Row], places: frozenset[str]) -> list[Row]:
    kept = [row for row in rows if not row.place or row.place in places]
    return [
        row if row.place else Row(sequence=row.sequence, kind=row.kind, at=row.at, payload={})
        for row in kept
    ]


def messages(topic: str, rows: Sequence[Row]) -> str:
    items = [
        {"sequence": row.sequence, "kind": row.kind, "at": row.at, "payload": row.payload}
        for row in rows
    ]
    return _encode({"type": "messages", "topic": topic, "items": items})


def heartbeat(last: Mapping[str, int]) -> str:
    return _encode({"type": "heartbeat", "last": last})


def resync(topic: str, after: int) -> str:
    return _encode({"type": "resync", "topic": topic, "after": after})


def refused(topic: Any, code: str) -> str:
    return _encode({"type": "refused", "topic": topic, "code": code})


def draining(delay: float) -> str:
    return _encode({"type": "draining", "delay": round(delay, 2)})
