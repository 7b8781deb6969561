"""A rollback goes before what only waits: that gives its turn up, and is planned again after it."""

from __future__ import annotations

from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import Actor, check
from apps.deployments.choices import DeploymentStatus
from apps.deployments.models import Deployment
from apps.deployments.runner import line, progress
from apps.deployments.runner.announcing import announce_deployment


def overtake(actor: Actor, *, rollback: Deployment) -> bool:
    """
    Gives a rollback the turn, unless another change is at work or another rollback has it. Inside
    the caller's transaction, which holds the stack's row. False: it waits, before all that are
    none.
    """
    check(actor, "deploy", rollback.environment.slug)
    holder = line.holder(rollback.environment_id)
    if holder is not None and not (line.gives_way(holder) and _step_back(actor, holder, rollback)):
        return False
    now = timezone.now()
    Deployment.objects.filter(pk=rollback.pk, turn_at=None).update(turn_at=now)
    rollback.turn_at = now
    return True


def _step_back(actor: Actor, holder: Deployment, rollback: Deployment) -> bool:
    """Back into the line, with the record; False when it has moved on."""
    reason = (
        f"Deployment {rollback.pk} of {actor.name} goes first: it rolls back the revision of"
        f" deployment {rollback.rolls_back_id}."
    )
    if not _give_turn_up(holder, reason):
        return False
    record(
        actor,
        "deployments.deployment.overtaken",
        holder,
        environment=holder.environment.slug,
        rollback=rollback.pk,
        leaves=rollback.rolls_back_id,
    )
    announce_deployment(holder)
    return True


def _give_turn_up(holder: Deployment, reason: str) -> bool:
    if holder.status == DeploymentStatus.AWAITING_APPROVAL:
        return progress.move(
            holder,
            DeploymentStatus.SCHEDULED,
            turn_at=None,
            status_code="line.overtaken",
            status_reason=reason,
            status_next_step="It is planned again when its turn comes; nothing is dropped.",
        )
    # One that is being planned goes on with that; one that is scheduled is so still.
    rows = Deployment.objects.filter(pk=holder.pk, status=holder.status, turn_at=holder.turn_at)
    return bool(rows.update(turn_at=None))
