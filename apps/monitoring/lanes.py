"""The last 24 hours as bars: incidents by environment, and the hours of one check."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.environments.models import Environment
from apps.monitoring.choices import TROUBLE, Health
from apps.monitoring.models import Check, CheckHour, Incident

HOURS = 24
DAY = timedelta(hours=HOURS)
# The drawing: names at the left, then a lane for each environment, the clock below.
LEFT, WIDTH, LANE, BAR = 104.0, 992.0, 26, 16
SHORTEST = 5.0
# What the hourly rows do not have yet: two hours of a check that looks each ten seconds.
NEWEST = 720
STRIP = (760, 22)


@dataclasses.dataclass(frozen=True)
class Bar:
    """One incident in its lane; `x`, `y` and `width` in the units of the drawing."""

    tone: str
    x: float
    y: int
    width: float
    words: str


def lanes(places: Sequence[Environment]) -> dict[str, Any]:
    """The drawing of all incidents of the last 24 hours, and the sentence that says the same."""
    now = timezone.now()
    begin = now - DAY
    rows = Incident.objects.filter(
        Q(closed_at=None) | Q(closed_at__gt=begin), environment__in=places
    )
    by_place: dict[int, list[Incident]] = defaultdict(list)
    for row in rows.order_by("opened_at"):
        by_place[row.environment_id].append(row)
    drawn, told = [], []
    for number, place in enumerate(places):
        top = 8 + number * LANE
        bars = [_bar(row, begin, now, top) for row in by_place[place.pk]]
        drawn.append({"name": place.slug, "y": top, "text_y": top + 12, "bars": bars})
        told.append(f"{place.slug}: {', '.join(bar.words for bar in bars) or 'none'}")
    bottom = 8 + len(places) * LANE
    return {
        "lanes": drawn,
        "clock": clock(begin, now),
        "words": f"Incidents of the last 24 hours. {'. '.join(told)}.",
        "left": LEFT, "width": WIDTH, "bar": BAR, "bottom": bottom,
        "label_y": bottom + 15, "height": bottom + 20,
    }  # fmt: skip


def _bar(row: Incident, begin: datetime, now: datetime, top: int) -> Bar:
    start, end = max(row.opened_at, begin), row.closed_at or now
    x = LEFT + WIDTH * ((start - begin) / DAY)
    width = max(SHORTEST, WIDTH * ((end - start) / DAY))
    x = min(x, LEFT + WIDTH - SHORTEST)
    until = f"to {row.closed_at:%H:%M}" if row.closed_at else "until now"
    words = f"{row.pk}, {row.thing}, {start:%H:%M} {until}"
    return Bar(row.weight.tone, round(x, 1), top, round(min(width, LEFT + WIDTH - x), 1), words)


def clock(begin: datetime, now: datetime) -> list[tuple[float, str]]:
    """A line each four hours, with its time."""
    step = DAY / 6
    found = [(round(LEFT + WIDTH * n / 6, 1), f"{begin + step * n:%H:%M}") for n in range(6)]
    return [*found, (LEFT + WIDTH, f"{now:%H:%M}")]


@dataclasses.dataclass(frozen=True)
class Hour:
    """What the looks of an hour found together: `ok`, `warn`, `bad`, or `none` without any."""

    begins: datetime
    tone: str
    looks: int


def hours_of(check: Check) -> list[Hour]:
    """The last 24, the one under way among them, oldest first."""
    this = timezone.now().replace(minute=0, second=0, microsecond=0)
    begin = this - timedelta(hours=HOURS - 1)
    counted: dict[datetime, tuple[str, int]] = {}
    for row in CheckHour.objects.filter(check_row=check, hour__gte=begin):
        others = row.looks - row.healthy - row.degraded - row.unknown
        tone = "bad" if others else "warn" if row.degraded else "ok" if row.healthy else "none"
        counted[row.hour] = (tone, row.looks)
    newest = check.results.order_by("-pk").values_list("at", "found")[:NEWEST]
    for hour, found in _by_hour(newest).items():
        counted.setdefault(hour, (_tone(found), found.total()))
    hours = (begin + timedelta(hours=number) for number in range(HOURS))
    return [Hour(hour, *counted.get(hour, ("none", 0))) for hour in hours]


def _by_hour(rows: Iterable[tuple[datetime, str]]) -> dict[datetime, Counter[str]]:
    found: dict[datetime, Counter[str]] = defaultdict(Counter)
    for at, health in rows:
        found[at.replace(minute=0, second=0, microsecond=0)][health] += 1
    return found


def _tone(found: Counter[str]) -> str:
    if any(found[health] for health in TROUBLE - {Health.DEGRADED}):
        return "bad"
    if found[Health.DEGRADED] or found[Health.SUSPECT]:
        return "warn"
    return "ok" if found[Health.HEALTHY] else "none"


def strip_of(check: Check) -> dict[str, Any]:
    """The hours as bars: what is worse is lower, what nobody looked at is hollow."""
    width, height = STRIP
    step, bars, hours = width / HOURS, [], hours_of(check)
    for number, hour in enumerate(hours):
        tall = {"bad": height // 2, "warn": height * 3 // 4}.get(hour.tone, height)
        bars.append((hour.tone, round(number * step, 1), height - tall, round(step - 3, 1), tall))
    count = Counter(hour.tone for hour in hours)
    words = [f"{count['bad']} of {HOURS} hours with trouble"] if count["bad"] else ["no trouble"]
    words += [f"{count['warn']} slow or partly well"] if count["warn"] else []
    words += [f"{count['none']} not looked at"] if count["none"] else []
    begins = f"{hours[0].begins:%H:%M}"
    return {
        "bars": bars,
        "words": ", ".join(words),
        "view": f"0 0 {width} {height}",
        "from": begins,
    }
