"""How long nobody was served: outages of incidents, laid over one another. Nothing is guessed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Min, Q
from django.utils import timezone

from apps.environments.choices import Tier
from apps.environments.models import Environment
from apps.monitoring.models import Incident

DAYS = 30
PROMISE = 0.999
# Where the promise holds; elsewhere the figure is shown without one.
PROMISED = frozenset({Tier.STAGING, Tier.PRODUCTION})
Span = tuple[datetime, datetime]


@dataclasses.dataclass(frozen=True)
class Uptime:
    """
    One environment over the days since it is watched, at most 30. `days` is from the oldest to
    today: seconds down of each, None where nothing was watched yet.
    """

    environment: Environment
    watched: timedelta
    down: timedelta
    incidents: int
    days: list[float | None]

    @property
    def share(self) -> float | None:
        """Part of the watched time in which all was served; None while nothing was watched."""
        return 1 - self.down / self.watched if self.watched else None

    @property
    def is_promised(self) -> bool:
        return self.environment.tier in PROMISED

    @property
    def budget(self) -> timedelta:
        """What 99.9 % of 30 days leaves: 43 minutes."""
        return timedelta(days=DAYS) * (1 - PROMISE)

    @property
    def left(self) -> timedelta:
        return max(self.budget - self.down, timedelta())


def uptimes(environments: Iterable[Environment]) -> list[Uptime]:
    """For each environment, in two questions for all of them."""
    rows, now = list(environments), timezone.now()
    begin = now - timedelta(days=DAYS)
    since = Q(closed_at__isnull=True) | Q(closed_at__gt=begin)
    spans: dict[int, list[Span]] = defaultdict(list)
    for incident in Incident.objects.filter(since, environment__in=rows, outage_at__isnull=False):
        assert incident.outage_at is not None
        end = incident.closed_at or now
        spans[incident.environment_id].append((max(incident.outage_at, begin), end))
    first = watched_since(rows)
    return [_uptime(row, spans[row.pk], max(first.get(row.pk, now), begin), now) for row in rows]


def watched_since(rows: list[Environment]) -> dict[int, datetime]:
    """When an environment was first looked at: its oldest result or its oldest incident."""
    found: dict[int, datetime] = {}
    results = Environment.objects.filter(pk__in=[row.pk for row in rows]).order_by()
    for key, one, two in results.values_list("pk").annotate(
        Min("checks__health_since"), Min("incidents__opened_at")
    ):
        moments = [moment for moment in (one, two) if moment]
        if moments:
            found[key] = min(moments)
    return found


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time, without overlaps."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > begin:
            found.append((begin, end))
    return found


def _uptime(row: Environment, spans: list[Span], since: datetime, now: datetime) -> Uptime:
    clear = merged((max(begin, since), end) for begin, end in spans)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days: list[float | None] = []
    for back in range(DAYS - 1, -1, -1):
        begin = midnight - timedelta(days=back)
        end = begin + timedelta(days=1)
        overlap = (min(e, end) - max(b, begin) for b, e in clear)
        seconds = sum(max(each.total_seconds(), 0.0) for each in overlap)
        days.append(seconds if end > since else None)
    down = sum((end - begin for begin, end in clear), timedelta())
    return Uptime(row, now - since, down, len(spans), days)
