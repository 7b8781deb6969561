"""Freezes, windows, named locks and the stop of the line: what passes with time or by a hand."""

from __future__ import annotations

from django.utils import timezone

from apps.deployments.blocking import Blocker
from apps.deployments.models import Deployment
from apps.environments.models import Environment
from apps.environments.times import closed_window, freezes_now, locks_now, standing_stop

STARTS = "What waits starts by itself then."


def time_blockers(deployment: Deployment) -> list[Blocker]:
    """What forbids a change of this environment now, the hardest first."""
    environment = deployment.environment
    return [
        *stop_blockers(),
        *freeze_blockers(environment),
        *window_blockers(environment),
        *lock_blockers(deployment),
    ]


def stop_blockers() -> list[Blocker]:
    """The stop of the line: it holds for every mutating run, and no broken glass opens it."""
    row = standing_stop()
    if row is None:
        return []
    return [
        Blocker(
            "line.stopped",
            f"The line is stopped by {row.stopped_by} since {row.stopped_at:%Y-%m-%d %H:%M} UTC"
            f" until somebody lifts the stop: “{row.reason}”. What waits starts by itself then.",
            waits=True,
            lasting=True,
            by=row.stopped_by,
            since=row.stopped_at,
        )
    ]


def freeze_blockers(environment: Environment) -> list[Blocker]:
    """Freezes that hold there now, each with who, why, since and until when."""
    return [
        Blocker(
            "environment.frozen",
            f"{environment.slug} is frozen since {period.start:%Y-%m-%d %H:%M} until"
            f" {period.end:%Y-%m-%d %H:%M} UTC by {row.created_by}: “{row.reason}”. {STARTS}",
            waits=True,
            by=row.created_by,
            since=period.start,
            until=period.end,
        )
        for row, period in freezes_now(environment, timezone.now())
    ]


def window_blockers(environment: Environment) -> list[Blocker]:
    """The window of the environment, when it is closed."""
    found = closed_window(environment, timezone.now())
    if found is None:
        return []
    opens = (
        f"It opens {found.opens_at:%Y-%m-%d %H:%M} UTC. {STARTS}"
        if found.opens_at
        else "It does not open within a week."
    )
    return [
        Blocker(
            "window.closed",
            f"The window of {environment.slug} is closed ({found.rules}; set by {found.by}"
            f" {found.since:%Y-%m-%d %H:%M} UTC). {opens}",
            waits=True,
            by=found.by,
            since=found.since,
            until=found.opens_at,
        )
    ]


def lock_blockers(deployment: Deployment) -> list[Blocker]:
    """Named locks of others: who holds one passes with their own deployments."""
    slug = deployment.environment.slug
    return [
        Blocker(
            "environment.locked",
            f"{slug} is locked by {row.owner} (lock {row.name}) since"
            f" {row.taken_at:%Y-%m-%d %H:%M} until {row.expires_at:%Y-%m-%d %H:%M} UTC:"
            f" “{row.reason}”. {STARTS}",
            waits=True,
            by=row.owner,
            since=row.taken_at,
            until=row.expires_at,
        )
        for row in locks_now(deployment.environment, timezone.now())
        if row.owner_id is None or row.owner_id != deployment.requested_by_id
    ]
