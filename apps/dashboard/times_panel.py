"""Freezes, windows, locks and the line on home and on the page of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.deployments.models import Lifetime, Schedule
from apps.environments.models import Environment, Freeze, NamedLock
from apps.environments.times import closed_window, locks_now, windows_of

# From then on the end of a life is told at home.
ENDS_SOON = timedelta(days=1)


def of_environment(place: Environment) -> dict[str, Any]:
    """What stands there: freezes (those to come, too), windows, whether they are closed, locks."""
    now = timezone.now()
    rows = Freeze.objects.standing().filter(Q(environment=place) | Q(environment=None))
    return {
        "freezes": list(rows.select_related("environment")),
        "windows": windows_of(place),
        "window_closed": closed_window(place, now),
        "locks": locks_now(place, now),
        "schedules": list(
            Schedule.objects.filter(environment=place, ended_at=None, next_at__isnull=False)[:10]
        ),
        "lifetime": _standing(getattr(place, "lifetime", None)),
    }


def _standing(row: Lifetime | None) -> Lifetime | None:
    return row if row is not None and row.ended_at is None else None


def links(slug: str) -> dict[str, str]:
    """Where the deeds of time are done."""
    return {
        name: reverse(f"admin:{name}", args=[slug])
        for name in ("window", "lock", "schedule", "lifetime")
    }


def of_home(places: Sequence[Environment]) -> list[dict[str, Any]]:
    """Who is kept from changing what, until when and why: in three queries, however many places."""
    now = timezone.now()
    freezes = list(Freeze.objects.standing().select_related("environment"))
    held = NamedLock.objects.filter(environment__in=places, released_at=None, expires_at__gt=now)
    locks = list(held.select_related("environment"))
    ends = Lifetime.objects.filter(environment__in=places, ended_at=None)
    soon = {row.environment_id: row for row in ends.filter(ends_at__lte=now + ENDS_SOON)}
    found: list[dict[str, Any]] = []
    for place in places:
        if end := soon.get(place.pk):
            found.append(_line(place, "lives", end.ends_at, end.set_by, end.reason))
        for row in freezes:
            period = row.period_at(now)
            if period is not None and row.environment_id in (None, place.pk):
                told = (row.created_by, row.reason)
                found.append(_line(place, "frozen", period.end, *told))
        found += [
            _line(place, "locked", row.expires_at, row.owner, row.reason)
            for row in locks
            if row.environment_id == place.pk
        ]
    return found


def _line(place: Environment, word: str, until: Any, by: str, reason: str) -> dict[str, Any]:
    return {"environment": place, "word": word, "until": until, "by": by, "reason": reason}
