"""Stopping a run or a deployment."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import Actor, check
from apps.deployments import too_late
from apps.deployments.choices import DeploymentStatus
from apps.deployments.lookup import find_deployment, find_run
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import progress, stopping
from apps.deployments.runner.announcing import announce_deployment


def cancel_run(actor: Actor, *, run: int) -> Run:
    """
    A queued run ends at once; one with a process is asked to stop and ends when it has. Asking
    twice is no error. Raises Refused (`run.over`).
    """
    row = find_run(actor, run)
    check(actor, "cancel", row.stack.environment.slug)
    with transaction.atomic():
        row = _locked_run(row.pk)
        if refusal := too_late.to_cancel_run(row):
            raise refusal
        stopping.ask_to_stop(row, by=actor.name)
        record(
            actor, "deployments.run.cancel_requested", row, environment=row.stack.environment.slug
        )
    return row


def cancel_deployment(actor: Actor, *, deployment: int) -> Deployment:
    """
    In every state: a waiting plan is dropped, a run under way is asked to stop, an update that is
    done stays done. Raises Refused (`deployment.over`, `deployment.applied`,
    `deployment.needs_recovery`).
    """
    row = find_deployment(actor, deployment)
    check(actor, "cancel", row.environment.slug)
    with transaction.atomic():
        row = Deployment.objects.select_for_update().get(pk=row.pk)
        if refusal := too_late.to_cancel(row):
            raise refusal
        if row.status in too_late.WAITING:
            progress.move(row, DeploymentStatus.CANCELED, **_canceled_by(actor))
        else:
            for pk in row.runs.filter(finished_at__isnull=True).values_list("pk", flat=True):
                stopping.ask_to_stop(_locked_run(pk), by=actor.name)
            row.refresh_from_db()
        record(
            actor,
            "deployments.deployment.cancel_requested",
            row,
            environment=row.environment.slug,
        )
        announce_deployment(row)
    return row


def _locked_run(pk: int) -> Run:
    return Run.objects.select_for_update().get(pk=pk)


def _canceled_by(actor: Actor) -> dict[str, str]:
    return {
        "status_code": "deployment.canceled",
        "status_reason": f"Canceled by {actor.name}. Nothing was changed.",
        "status_next_step": "",
    }
