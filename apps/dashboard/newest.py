"""The newest deployments of environments: the one under way, the last that did what it should."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db.models import Max

from apps.deployments.choices import DEPLOYMENT_OPEN, DeploymentStatus
from apps.deployments.models import Deployment

# What a name means: `last` changed something, `done` may have found that there was nothing to do.
NEWEST: Mapping[str, frozenset[str]] = {
    "open": frozenset(DEPLOYMENT_OPEN),
    "last": frozenset({DeploymentStatus.SUCCEEDED}),
    "done": frozenset({DeploymentStatus.SUCCEEDED, DeploymentStatus.UNCHANGED}),
    "ended": frozenset(set(DeploymentStatus) - set(DEPLOYMENT_OPEN)),
}


def newest(
    keys: Collection[int], names: Collection[str], read: Iterable[Deployment] = ()
) -> dict[int, dict[str, Deployment | None]]:
    """
    By environment and name (see `NEWEST`), in two queries. What is among the deployments that are
    `read` already is not read again.
    """
    # One walk through an index: a look for the newest of a status per environment reads them all.
    rows = Deployment.objects.filter(environment__in=keys).order_by()
    found: dict[int, dict[str, int]] = {key: {} for key in keys}
    for place, status, key in rows.values_list("environment_id", "status").annotate(Max("pk")):
        for name in names:
            if status in NEWEST[name]:
                found[place][name] = max(key, found[place].get(name, 0))
    known = {row.pk: row for row in read}
    wanted = {key for row in found.values() for key in row.values()}
    known |= Deployment.objects.in_bulk(wanted - known.keys())
    return {
        place: {name: known.get(row.get(name, 0)) for name in names} for place, row in found.items()
    }
