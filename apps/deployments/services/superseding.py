"""One deployment takes another's place in line: never by itself, and both pages say so."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Refused
from apps.core.permissions import Actor, check
from apps.deployments.choices import DeploymentStatus
from apps.deployments.lookup import find_deployment
from apps.deployments.models import Deployment
from apps.deployments.runner import line, progress, stopping

# Superseding them loses nothing that was done.
SUPERSEDABLE = line.WAITING


def supersede_deployment(
    actor: Actor, *, deployment: int, successor: int | None = None
) -> Deployment:
    """
    Drops a deployment that only waits in favour of a later one of its environment (by default the
    last in line), and names it. Raises Refused (`deployment.not_waiting`,
    `deployment.no_successor`).
    """
    row = find_deployment(actor, deployment)
    check(actor, "cancel", row.environment.slug)
    with transaction.atomic():
        line.enter(row.environment)
        row.refresh_from_db(fields=["status", "turn_at"])
        if row.status not in SUPERSEDABLE:
            raise _not_waiting(row)
        take_place(actor, older=row, successor=_successor_of(actor, row, successor))
    return row


def take_place(actor: Actor, *, older: Deployment, successor: Deployment) -> None:
    """For rows in hand, inside the caller's transaction. Raises Refused (`deployment.moved`)."""
    check(actor, "cancel", older.environment.slug)
    moved = progress.move(
        older,
        DeploymentStatus.CANCELED,
        superseded_by=successor,
        status_code="deployment.superseded",
        status_reason=f"Superseded by deployment {successor.pk}, by {actor.name}."
        " Nothing was changed.",
        status_next_step="",
    )
    if not moved:
        raise Refused(
            "deployment.moved",
            f"Deployment {older.pk} has moved on meanwhile. Nothing was changed.",
            next_step="Look at it again.",
        )
    for run in older.runs.filter(finished_at__isnull=True):
        stopping.ask_to_stop(run, by=actor.name)
    record(
        actor,
        "deployments.deployment.superseded",
        older,
        environment=older.environment.slug,
        successor=successor.pk,
    )


def _successor_of(actor: Actor, row: Deployment, successor: int | None) -> Deployment:
    behind = line.under_way(row.environment_id).filter(pk__gt=row.pk)
    found = (
        behind.last()
        if successor is None
        else behind.filter(pk=find_deployment(actor, successor).pk).first()
    )
    if found is None:
        which = "No deployment" if successor is None else f"Deployment {successor} does not"
        verb = "waits" if successor is None else "wait"
        raise Refused(
            "deployment.no_successor",
            f"{which} {verb} behind deployment {row.pk} of {row.environment.slug}.",
            next_step="Request the deployment that shall take its place first.",
        )
    return found


def _not_waiting(row: Deployment) -> Refused:
    return Refused(
        "deployment.not_waiting",
        f"Deployment {row.pk} is {row.get_status_display().lower()}: only one that waits can be"
        " superseded.",
        next_step="Wait for its end, or cancel it.",
    )
