"""Environments as the frame of every page shows them: with the worst known of their checks."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery

from apps.environments.models import Environment
from apps.monitoring.choices import Health
from apps.monitoring.models import Check

# From the worst; the first that some check has is the environment's health.
WORST_FIRST = (
    Health.UNREACHABLE,
    Health.PROTOCOL_ERROR,
    Health.MISCONFIGURED,
    Health.INCOMPATIBLE,
    Health.AUTH_REQUIRED,
    Health.SUSPECT,
    Health.DEGRADED,
    Health.UNKNOWN,
    Health.HEALTHY,
)
NOT_HEALTHY = frozenset(WORST_FIRST) - {Health.HEALTHY}
TROUBLE = NOT_HEALTHY - {Health.UNKNOWN}


@dataclasses.dataclass(frozen=True)
class FramePlace:
    """An environment with how many of its checks were found how; of healthy ones only whether."""

    environment: Environment
    found: Counter[Health]

    @property
    def health(self) -> Health:
        """The worst of its checks; unknown where nothing is watched."""
        return next((health for health in WORST_FIRST if self.found[health]), Health.UNKNOWN)

    @property
    def trouble(self) -> int:
        return sum(self.found[health] for health in TROUBLE)


def counted(
    keys: Collection[int], healths: Collection[Health] = WORST_FIRST
) -> Iterator[tuple[int, Health, int]]:
    """Environment, health and how many of its checks: what is paused is no trouble."""
    rows = Check.objects.enabled().filter(environment__in=keys, health__in=healths).order_by()
    grouped = rows.values_list("environment_id", "health").annotate(Count("pk"))
    for environment, health, count in grouped:
        yield environment, Health(health), count


def beside_the_healthy(environments: QuerySet[Environment]) -> QuerySet[Any]:
    """With `nearest_healthy`: the environment itself where one of its checks is healthy."""
    # From here on in the order of the index: asked for this environment alone, PostgreSQL takes it
    # for likely, and reads the whole table for one that has none.
    healthy = Check.objects.enabled().filter(health=Health.HEALTHY, environment__gte=OuterRef("pk"))
    nearest = healthy.order_by("environment_id").values("environment_id")[:1]
    return environments.annotate(nearest_healthy=Subquery(nearest))


def frame_places(environments: QuerySet[Environment]) -> list[FramePlace]:
    """The environments with their health. What is well is not counted: it is nearly everything."""
    rows = list(beside_the_healthy(environments))
    found = {
        row.pk: Counter({Health.HEALTHY: 1} if row.nearest_healthy == row.pk else {})
        for row in rows
    }
    for environment, health, count in counted(list(found), NOT_HEALTHY):
        found[environment][health] = count
    return [FramePlace(row, found[row.pk]) for row in rows]
