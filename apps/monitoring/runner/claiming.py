"""
Whose look is it? A claim is a lease in `next_check_at`: taken a little ahead of the check's moment,
renewed while the look lasts, replaced by the next moment when it is recorded, and soon void where
its process died.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Container
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import Check

# So many at a time: a statement has room for them, and nobody waits long for the writer's lock.
AT_ONCE = 2000
# From the moment of a look on; it is renewed for as long as the look lasts.
LEASE = timedelta(seconds=4)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A check as it was when we took it, the moment of the look, and until when it is ours."""

    row: Check
    moment: datetime
    until: datetime


def claim_due(ahead: float = 0.0, busy: Container[int] = ()) -> list[Claim]:
    """
    The checks that fall due within `ahead` seconds and that nobody else took. `busy` are those
    under way in this process, however long they take.
    """
    due = Check.objects.enabled().filter(
        next_check_at__lte=timezone.now() + timedelta(seconds=ahead)
    )
    # Without a writer's lock: most wake-ups of a small installation find nothing.
    if all(key in busy for key in due.values_list("pk", flat=True)[:AT_ONCE].iterator()):
        return []
    with transaction.atomic():
        # SQLite's lock is the transaction's; PostgreSQL locks the rows and skips those of others.
        # Prefetched, the environments are one object each, which is half of the cost of a claim.
        free = due.prefetch_related("environment").select_for_update(skip_locked=True)
        rows = [row for row in free.order_by("next_check_at")[:AT_ONCE] if row.pk not in busy]
        return _leased(rows, timezone.now())


def _leased(rows: list[Check], now: datetime) -> list[Claim]:
    if not rows:
        return []
    until = max(now, *(row.next_check_at or now for row in rows)) + LEASE
    Check.objects.lease(rows, until)
    return [Claim(row, row.next_check_at or now, until) for row in rows]


def renew(claims: list[Claim]) -> list[Claim]:
    """The same claims for as long again, but for those that somebody has moved meanwhile."""
    renewed = []
    alike: dict[datetime, list[Claim]] = defaultdict(list)
    for claim in claims:
        alike[claim.until].append(claim)
    for until, group in alike.items():
        later = until + LEASE
        Check.objects.filter(pk__in=[c.row.pk for c in group], next_check_at=until).update(
            next_check_at=later
        )
        renewed += [dataclasses.replace(claim, until=later) for claim in group]
    return renewed


def soonest_after(moment: datetime) -> datetime | None:
    """When the next check falls due that is not due by `moment`."""
    rows = Check.objects.enabled().filter(next_check_at__gt=moment).order_by("next_check_at")
    return rows.values_list("next_check_at", flat=True).first()


def release(claims: list[Claim]) -> None:
    """Gives looks back that will not be made here: they are due for anybody."""
    for claim in claims:
        same = Check.objects.enabled().filter(pk=claim.row.pk, next_check_at=claim.until)
        same.update(next_check_at=claim.moment)
