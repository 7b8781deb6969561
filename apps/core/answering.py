"""How long answers take. The entrance counts them, above every app, and registers how to ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime


@dataclasses.dataclass(frozen=True)
class Answered:
    """Answers of one process since it began: `count`, and `p95` in seconds (None without any)."""

    since: datetime
    count: int
    p95: float | None


Source = Callable[[str], Answered]
_sources: list[Source] = []


def register(source: Source) -> None:
    """`source` answers for routes that begin with a prefix. The last one wins."""
    _sources[:] = [source]


def answered(prefix: str) -> Answered | None:
    """For the routes that begin with it; None in a process that serves nothing."""
    return _sources[0](prefix) if _sources else None
