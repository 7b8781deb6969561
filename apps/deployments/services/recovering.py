"""The way back after a run of which nobody knows what it did."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Refused
from apps.core.permissions import Actor, check
from apps.deployments import too_late
from apps.deployments.choices import RUN_TERMINAL, Operation
from apps.deployments.hints import hint
from apps.deployments.lookup import find_deployment
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import settling
from apps.deployments.runner.announcing import announce_deployment, announce_run


def recover_deployment(
    actor: Actor, *, deployment: int, clear_pending_creates: bool = True
) -> Deployment:
    """
    Reads the real things back into the state and plans again by itself. Pending creates are
    cleared: our resource types adopt what an unrecorded create left behind.

    Raises Refused while a process of the lost run may live (`run.alive`), while a recovery is under
    way (`deployment.recovering`), or when there is nothing to recover.
    """
    row = find_deployment(actor, deployment)
    check(actor, "recover", row.environment.slug)
    if refusal := too_late.to_recover(row):
        raise refusal
    _check_dead(row)
    with transaction.atomic():
        Deployment.objects.select_for_update().get(pk=row.pk)
        _check_alone(row)
        run = Run.objects.create(
            stack=row.environment.stack,
            deployment=row,
            operation=Operation.REFRESH,
            requested_by=actor.name,
            parameters={"clear_pending_creates": clear_pending_creates},
        )
        record(
            actor,
            "deployments.deployment.recovery_requested",
            row,
            environment=row.environment.slug,
            run=run.pk,
            clear_pending_creates=clear_pending_creates,
        )
        announce_run(run)
        announce_deployment(row)
        hint(run)
    return row


def _check_alone(row: Deployment) -> None:
    if row.runs.exclude(status__in=RUN_TERMINAL).exists():
        raise Refused(
            "deployment.recovering",
            f"A recovery of deployment {row.pk} is under way.",
            next_step="Wait for its end.",
        )


def _check_dead(row: Deployment) -> None:
    """No refresh while the lost run may still write."""
    for run in row.runs.filter(mutating=True, status__in=RUN_TERMINAL):
        alive = settling.living_processes(run)
        if alive:
            names = ", ".join(f"pid {facts.pid} on {facts.host}" for facts in alive)
            raise Refused(
                "run.alive",
                f"Processes of run {run.pk} are not proven dead: {names}.",
                next_step="End them there, then recover.",
            )
