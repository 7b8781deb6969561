"""What has come due by the clock. Found here, done by verbs: `time_receivers.py` hears of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments.choices import FiringOutcome
from apps.deployments.models import Firing, Lifetime, Schedule
from apps.deployments.signals import firing_due, lifetime_due, lifetime_warning_due

BEAT = system("schedule")
# Of more missed moments than this nobody wants to know each one.
MOST_MISSED = 1000
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def find_due() -> int:
    """Every schedule whose moment has come: its firing is written, once for all beats."""
    rows = Schedule.objects.filter(next_at__lte=timezone.now(), paused_at=None, ended_at=None)
    return sum(map(_fire, rows.select_related("environment")[:100]))


def _fire(row: Schedule) -> bool:
    """
    Compare-and-set of the moment, and its firing, in one transaction. Of several missed moments
    only the last may still be carried out, late; the others are skipped, and recorded as one.
    """
    assert row.next_at is not None
    now, first, last, missed = timezone.now(), row.next_at, row.next_at, 0
    following = row.following(last)
    while following is not None and following <= now and missed < MOST_MISSED:
        last, missed = following, missed + 1
        following = row.following(last)
    if following is not None and following <= now:
        following = row.following(now)
    with transaction.atomic():
        mine = Schedule.objects.filter(pk=row.pk, next_at=row.next_at, ended_at=None)
        if not mine.update(next_at=following):
            return False
        if missed:
            _skip(row, first, f"{missed} moments were missed since then.")
        if now - last > timedelta(minutes=row.late_minutes):
            _skip(row, last, f"It was missed by more than {row.late_minutes} minutes.")
        else:
            Firing.objects.create(schedule=row, environment=row.environment, due_at=last)
    return True


def _skip(row: Schedule, due_at: datetime, why: str) -> None:
    skipped = {"outcome": FiringOutcome.SKIPPED, "detail": why}
    Firing.objects.create(schedule=row, environment=row.environment, due_at=due_at, **skipped)
    record(
        BEAT,
        "deployments.schedule.skipped",
        row,
        environment=row.environment.slug,
        due_at=due_at.isoformat(),
        reason=why,
    )


def tell_firings() -> int:
    """Firings that nobody has carried out yet; whoever hears of one twice does it once."""
    rows = Firing.objects.filter(outcome=FiringOutcome.DUE).select_related("schedule__environment")
    found = list(rows.order_by("pk")[:100])
    for row in found:
        firing_due.send(sender=Firing, firing=row)
    return len(found)


def tell_lifetimes() -> int:
    """Environments whose time has come."""
    rows = Lifetime.objects.filter(ends_at__lte=timezone.now(), ended_at=None)
    found = list(rows.select_related("environment"))
    for row in found:
        lifetime_due.send(sender=Lifetime, lifetime=row)
    return len(found)


def tell_warnings() -> int:
    """Environments that end within a day or an hour and of which nobody was warned."""
    now = timezone.now()
    rows = Lifetime.objects.filter(ended_at=None, ends_at__gt=now, ends_at__lte=now + DAY)
    count = 0
    for row in rows.exclude(try_at__gt=now).select_related("environment"):
        field = "warned_hour_at" if row.ends_at <= now + HOUR else "warned_day_at"
        mine = Lifetime.objects.filter(pk=row.pk, ends_at=row.ends_at, **{field: None})
        if mine.update(**{field: now}):
            lifetime_warning_due.send(sender=Lifetime, lifetime=row, field=field)
            count += 1
    return count
