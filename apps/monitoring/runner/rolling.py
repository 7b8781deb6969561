"""Raw results become hours, hours are kept for thirteen months."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Avg, Count, Max, Q
from django.db.models.functions import TruncHour
from django.utils import timezone

from apps.monitoring.models import CheckHour, CheckResult

RAW_KEPT = timedelta(days=7)
HOURS_KEPT = timedelta(days=397)  # thirteen months are at most that many
# Results are stored within a minute of their look; the hour is whole then.
SETTLED = timedelta(minutes=5)
AT_ONCE = timedelta(days=1)
# Of the oldest hour some raw rows may be gone: it is not counted with what is left.
WHOLE = timedelta(hours=1)
COUNTED = ["looks", "healthy", "degraded", "unknown", "latency_mean", "latency_most"]


def roll_up(now: datetime | None = None) -> int:
    """
    Counts every whole hour that has results and no row yet, a day at a time, and the last counted
    one anew: what was found may have waited for a database that was away. Returns how many rows it
    wrote. Running it again, or twice at a time, changes nothing.
    """
    now = now or timezone.now()
    ends = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
    last = CheckHour.objects.order_by("-hour").values_list("hour", flat=True).first()
    first = CheckResult.objects.order_by("id").values_list("at", flat=True).first()
    if first is None:
        return 0
    begin = max(last or first, now - RAW_KEPT + WHOLE)
    begin = begin.replace(minute=0, second=0, microsecond=0)
    made = 0
    while begin < ends:
        until = min(begin + AT_ONCE, ends)
        made += _count(begin, until)
        begin = until
    return made


def _count(begin: datetime, until: datetime) -> int:
    rows = (
        CheckResult.objects.filter(at__gte=begin, at__lt=until)
        .annotate(hour=TruncHour("at"))
        .values("check_row", "hour")
        .order_by()
        .annotate(
            looks=Count("id"),
            healthy=Count("id", filter=Q(found="healthy")),
            degraded=Count("id", filter=Q(found="degraded")),
            unknown=Count("id", filter=Q(found="unknown")),
            latency_mean=Avg("latency_ms"),
            latency_most=Max("latency_ms"),
        )
    )
    hours = [_hour(dict(row)) for row in rows]
    with transaction.atomic():
        CheckHour.objects.bulk_create(
            hours,
            update_conflicts=True,
            unique_fields=["check_row", "hour"],
            update_fields=COUNTED,
            batch_size=500,
        )
    return len(hours)


def _hour(counted: dict[str, Any]) -> CheckHour:
    return CheckHour(check_row_id=counted.pop("check_row"), **counted)


def prune_results(now: datetime | None = None) -> int:
    """Removes raw results and hours that are too old; returns how many raw ones."""
    now = now or timezone.now()
    CheckHour.objects.filter(hour__lt=now - HOURS_KEPT).delete()
    return CheckResult.objects.filter(at__lt=now - RAW_KEPT).delete()[0]
