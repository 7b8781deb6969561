"""What the frame of every page counts: decisions that wait, checks in trouble, open incidents."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.db.models import QuerySet

from apps.core.permissions import Actor, may
from apps.dashboard.places import TROUBLE, FramePlace, frame_places
from apps.deployments import approvals
from apps.deployments.choices import DeploymentStatus
from apps.deployments.models import Deployment
from apps.environments.models import Environment
from apps.live.sequences import last_sequence
from apps.monitoring.models import Check, Incident

# No frame names more; the highest of the order are named, and the list has all of them.
MOST_PLACES = 50


@dataclasses.dataclass(frozen=True)
class Waiting:
    """`total` plans wait for a decision where the actor may look; `yours` are theirs to decide."""

    total: int
    yours: int

    @property
    def words(self) -> str:
        return f"{self.total} await a decision, {self.yours} yours"


def waiting(actor: Actor) -> Waiting:
    """By right and not one's own; the deployment's page says what else stands against it."""
    rows = Deployment.objects.visible_to(actor).filter(status=DeploymentStatus.AWAITING_APPROVAL)
    found = list(rows.select_related("environment__protection").defer("plan", "configuration"))
    yours = [
        row
        for row in found
        if may(actor, approvals.right_to_apply(row), row.environment.slug)
        and not (approvals.needed(row) and row.requested_by_id == actor.user_id)
    ]
    return Waiting(len(found), len(yours))


def named(places: QuerySet[Environment]) -> tuple[list[FramePlace], bool]:
    """Those that a frame names, in the order of promotion, and whether they are all."""
    highest = frame_places(places.order_by("-rank", "-pk")[: MOST_PLACES + 1])
    return highest[:MOST_PLACES][::-1], len(highest) <= MOST_PLACES


def in_trouble(actor: Actor) -> int:
    """Checks in trouble wherever the actor may look."""
    return Check.objects.visible_to(actor).enabled().filter(health__in=TROUBLE).count()


def counts(actor: Actor) -> dict[str, Any]:
    """For the header and the sidebar; `frame_after` is read first, so nothing falls between."""
    after = last_sequence()
    mine, all_named = named(Environment.objects.visible_to(actor))
    trouble = sum(place.trouble for place in mine) if all_named else in_trouble(actor)
    return {
        "frame_after": after,
        "frame_places": mine,
        "frame_names_all": all_named,
        "waiting": waiting(actor),
        "trouble_count": trouble,
        "trouble_words": f"{trouble} in trouble",
        "incident_count": Incident.objects.visible_to(actor).open().count(),
    }
