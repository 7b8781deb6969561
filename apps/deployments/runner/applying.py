"""From an approved plan to its mutating run."""

from __future__ import annotations

from django.utils import timezone

from apps.deployments.choices import APPLYING_OPERATIONS, DeploymentStatus, Kind
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import progress
from apps.deployments.runner.announcing import announce_run


def begin(deployment: Deployment, *, requested_by: str) -> Run | None:
    """`applying` with its run queued, in the caller's transaction; None when it has moved on."""
    moved = progress.move(
        deployment, DeploymentStatus.APPLYING, started_at=timezone.now(), **progress.CLEAR
    )
    if not moved:
        return None
    run = Run.objects.create(
        stack=deployment.environment.stack,
        deployment=deployment,
        operation=APPLYING_OPERATIONS[Kind(deployment.kind)],
        requested_by=requested_by,
    )
    announce_run(run)
    return run
