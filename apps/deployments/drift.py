"""What the last looks for drift found, by environment. Reads rows, changes nothing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from apps.deployments.choices import RUN_ACTIVE, DriftStatus, Operation, RunStatus
from apps.deployments.models import Run
from apps.environments.models import Environment, Stack

MISSED = (RunStatus.FAILED, RunStatus.ERRORED, RunStatus.LOST)
NAMES = ("looked", "changed", "looking", "missed")


@dataclasses.dataclass(frozen=True)
class Drift:
    """
    `looked` is the last look that was carried through, `looking` one that goes on, `missed` a newer
    one that failed; `changes` have the shape of a plan's, from what is declared to what is there.
    """

    status: DriftStatus
    looked: Run | None = None
    looking: Run | None = None
    missed: Run | None = None
    changes: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def checked_at(self) -> datetime | None:
        return self.looked.finished_at if self.looked else None

    @property
    def counts(self) -> dict[str, int]:
        """By operation."""
        return dict(Counter(change["operation"] for change in self.changes))

    @property
    def words(self) -> str:
        """The status, with how much where it drifted."""
        count = len(self.changes)
        if self.status != DriftStatus.DRIFTED:
            return str(self.status.label)
        return f"{count} resource{'' if count == 1 else 's'} drifted"


def changes_of(look: Run) -> list[dict[str, Any]]:
    """Of one drift run: real resources that are not as declared."""
    return [row for row in look.drift.get("changes", []) if not row.get("component")]


def drift_of(environment: Environment) -> Drift:
    """What the last drift run found; an update since then makes it unknown."""
    return drifts([environment.pk])[environment.pk]


def drifts(environments: Iterable[int]) -> dict[int, Drift]:
    """The same for many, by environment, in two questions."""
    keys = list(environments)
    mine = Run.objects.filter(stack=OuterRef("pk")).order_by("-pk").values("pk")
    looks, done = mine.filter(operation=Operation.DRIFT), mine.filter(status=RunStatus.SUCCEEDED)
    rows = Stack.objects.filter(environment__in=keys).values_list(
        "environment_id",
        Subquery(done.filter(operation=Operation.DRIFT)[:1]),
        Subquery(done.filter(mutating=True)[:1]),
        Subquery(looks.filter(status__in=[RunStatus.QUEUED, *RUN_ACTIVE])[:1]),
        Subquery(looks.filter(status__in=MISSED)[:1]),
    )
    by_place = {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in rows}
    wanted = {pk for row in by_place.values() for pk in row.values() if pk}
    runs = Run.objects.in_bulk(wanted)
    found = {
        place: _drift({n: runs.get(pk) for n, pk in r.items()}) for place, r in by_place.items()
    }
    return {key: found.get(key, Drift(DriftStatus.UNKNOWN)) for key in keys}


def _drift(runs: dict[str, Run | None]) -> Drift:
    looked, changed, missed = runs["looked"], runs["changed"], runs["missed"]
    if looked is None or (changed is not None and changed.pk > looked.pk):
        newer = missed if missed and (changed is None or missed.pk > changed.pk) else None
        return Drift(DriftStatus.UNKNOWN, looked, runs["looking"], newer)
    changes = changes_of(looked)
    status = DriftStatus.DRIFTED if changes else DriftStatus.NONE
    newer = missed if missed and missed.pk > looked.pk else None
    return Drift(status, looked, runs["looking"], newer, changes)
