"""What forbids changes now, and until when. Reads rows, changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from apps.core.remembering import once
from apps.environments.calendar import Period
from apps.environments.models import Environment, Freeze, NamedLock, Stop, Window


@once
def standing_stop() -> Stop | None:
    """The stop of the line that nobody has lifted."""
    return Stop.objects.filter(lifted_at=None).first()


def freezes_now(environment: Environment, now: datetime) -> list[tuple[Freeze, Period]]:
    """Freezes of the environment, or of all, in which `now` lies; the longest first."""
    return freezes_of([environment.pk], now)[environment.pk]


def freezes_of(
    environments: Collection[int], now: datetime
) -> dict[int, list[tuple[Freeze, Period]]]:
    """The same for many, by environment, in one question."""
    rows = Freeze.objects.filter(
        Q(environment__in=environments) | Q(environment=None), starts_at__lte=now, lifted_at=None
    ).exclude(ends_at__lte=now)
    found = [(row, period) for row in rows if (period := row.period_at(now))]
    found.sort(key=lambda pair: pair[1].end, reverse=True)
    return {
        key: [pair for pair in found if pair[0].environment_id in (None, key)]
        for key in environments
    }


@dataclasses.dataclass(frozen=True)
class Closed:
    """
    Outside of every window. `by`: who declared the window that opens first; `opens_at` is None
    where none opens within a week.
    """

    by: str
    rules: str
    opens_at: datetime | None
    since: datetime


def closed_window(environment: Environment, now: datetime) -> Closed | None:
    """None where the environment has no window, or one is open."""
    rows = list(windows_of(environment))
    rules = [(row, rule) for row in rows if (rule := row.rule)]
    if not rules or any(rule.period_at(now) for _, rule in rules):
        return None
    starts = [(start, row) for row, rule in rules if (start := rule.next_start(now))]
    opens_at, first = min(starts, key=lambda pair: pair[0]) if starts else (None, rows[0])
    words = "; ".join(rule.in_words() for _, rule in rules)
    return Closed(first.created_by, words, opens_at, min(row.created_at for row in rows))


@once
def windows_of(environment: Environment) -> list[Window]:
    """Windows that hold there: its own and those of all environments."""
    rows = Window.objects.filter(Q(environment=environment) | Q(environment=None), ended_at=None)
    return list(rows.order_by("pk"))


def locks_now(environment: Environment, now: datetime) -> list[NamedLock]:
    """Named locks that are neither released nor expired, oldest first."""
    rows = NamedLock.objects.filter(environment=environment, released_at=None, expires_at__gt=now)
    return list(rows.order_by("pk"))
