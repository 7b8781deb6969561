"""What the API says of environments, read for a whole page at a time."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import Case, OuterRef, Subquery, Value, When
from django.utils import timezone

from apps.dashboard.newest import newest
from apps.dashboard.places import FramePlace, frame_places
from apps.deployments.choices import Kind
from apps.deployments.drift import Drift, drifts
from apps.deployments.models import Deployment
from apps.environments.calendar import Period
from apps.environments.effective import combine
from apps.environments.models import BaseSetting, Environment, Setting
from apps.environments.time_models import Freeze
from apps.environments.times import freezes_of
from apps.monitoring.choices import Health
from apps.monitoring.models import Check


@dataclasses.dataclass(frozen=True)
class Facts:
    """
    Of one environment: `open` is the deployment under way; `last` what runs there now, None where
    nothing was deployed or all of it is destroyed; `worst` the check that has been longest in
    the state that the environment has.
    """

    open: Deployment | None
    last: Deployment | None
    values: dict[str, Any]
    drift: Drift
    health: Health
    worst: Check | None
    freeze: tuple[Freeze, Period] | None


def facts_of(rows: Sequence[Environment]) -> dict[int, Facts]:
    """By key of the environment, in a number of queries that does not grow with them."""
    keys = [row.pk for row in rows]
    deployed, drift, values = newest(keys, ("open", "done")), drifts(keys), _values(keys)
    healths = frame_places(Environment.objects.filter(pk__in=keys))
    worst, freezes = _worst(healths), freezes_of(keys, timezone.now())
    return {
        place.environment.pk: Facts(
            deployed[place.environment.pk]["open"],
            _standing(deployed[place.environment.pk]["done"]),
            values[place.environment.pk],
            drift[place.environment.pk],
            place.health,
            worst.get(place.environment.pk),
            next(iter(freezes[place.environment.pk]), None),
        )
        for place in healths
    }


def _standing(last: Deployment | None) -> Deployment | None:
    return None if last is None or last.kind == Kind.DESTROY else last


def _values(keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Key → value as the program gets it, by environment."""
    own: dict[int, list[Setting]] = defaultdict(list)
    for row in Setting.objects.filter(environment__in=keys):
        own[row.environment_id].append(row)
    base = list(BaseSetting.objects.all())
    return {key: {each.key: each.value for each in combine(own[key], base)} for key in keys}


def _worst(places: Sequence[FramePlace]) -> dict[int, Check]:
    """By environment: of its checks in its own state the one that has been so for longest."""
    if not places:
        return {}
    by_health: dict[Health, list[int]] = defaultdict(list)
    for place in places:
        by_health[place.health].append(place.environment.pk)
    state = Case(*(When(pk__in=keys, then=Value(name)) for name, keys in by_health.items()))
    same = Check.objects.enabled().filter(environment=OuterRef("pk"), health=OuterRef("state"))
    longest = same.order_by("health_since", "pk").values("pk")[:1]
    rows = Environment.objects.filter(pk__in=[place.environment.pk for place in places])
    chosen = rows.annotate(state=state).annotate(longest=Subquery(longest))
    checks = Check.objects.filter(
        pk__in=[key for key in chosen.values_list("longest", flat=True) if key]
    )
    return {row.environment_id: row for row in checks.defer("parameters", "memory")}
