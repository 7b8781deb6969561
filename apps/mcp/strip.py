"""The strip of the latest looks at a server: one bar for each, and how fast it answered."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from apps.monitoring.models import CheckResult

WIDTH = 1000.0
HEIGHT = 24.0
LOOKS = 96
# tone → (class, share of the height): a worse bar is lower, so that it reads without colour.
SHAPES = {"ok": ("ok", 1.0), "warn": ("warn", 0.75), "bad": ("bad", 0.55)}


@dataclasses.dataclass(frozen=True)
class Bar:
    """One look, in the units of the strip's view box."""

    tone: str
    x: str
    y: str
    width: str
    height: str


def bars(results: Sequence[CheckResult]) -> list[Bar]:
    """Of results newest first; drawn oldest first."""
    if not results:
        return []
    step = WIDTH / max(len(results), 24)
    found = []
    for place, result in enumerate(reversed(results)):
        tone, share = SHAPES.get(result.state.tone, ("none", 1.0))
        tall = HEIGHT * share
        numbers = (place * step, HEIGHT - tall, step * 0.85, tall)
        found.append(Bar(tone, *(f"{number:.1f}" for number in numbers)))
    return found


def in_words(results: Sequence[CheckResult]) -> str:
    """`96 looks: 95 healthy, 1 degraded`."""
    counts = Counter(result.state.label.lower() for result in results)
    words = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{len(results)} look{'' if len(results) == 1 else 's'}: {words}"


def latency(results: Sequence[CheckResult]) -> dict[str, float] | None:
    """Median, 95th percentile in milliseconds, and of how many looks; None where nobody knows."""
    known = sorted(row.latency_ms for row in results if row.latency_ms is not None)
    if not known:
        return None
    at = [known[min(len(known) - 1, int(len(known) * share))] for share in (0.5, 0.95)]
    return {"p50": at[0], "p95": at[1], "count": len(known)}
