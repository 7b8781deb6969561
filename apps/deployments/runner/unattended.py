"""
Plans that apply themselves because a person said so before: a schedule, a lifetime, the correction
of drift. Only where the environment asks nobody for approval, and never in production.
"""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments import approvals, gates
from apps.deployments.choices import Decision, DeploymentStatus
from apps.deployments.models import Approval, Deployment
from apps.deployments.runner import applying, claim, progress

CLOCK = system("schedule")


def confirm_unattended() -> int:
    """What is planned, has the turn, and may go on without anybody."""
    rows = Deployment.objects.filter(
        unattended=True, status=DeploymentStatus.AWAITING_APPROVAL, turn_at__isnull=False
    )
    return sum(map(_confirm, rows.select_related("environment__protection", "environment__stack")))


def _confirm(row: Deployment) -> bool:
    environment = row.environment
    asks = approvals.needed(row) or environment.is_production
    closed = gates.blockers(row)
    if asks or any(not blocker.waits for blocker in closed):
        return False
    with transaction.atomic():
        Approval.objects.create(
            deployment=row,
            fingerprint=row.fingerprint,
            decision=Decision.APPROVED,
            by=row.requested_by,
            comment="Confirmed beforehand by whoever set it up.",
        )
        if closed:
            run = None
            moved = progress.move(
                row,
                DeploymentStatus.SCHEDULED,
                status_code=closed[0].code,
                status_reason=" ".join(blocker.detail for blocker in closed),
                status_next_step="It starts by itself when free.",
            )
        else:
            run = applying.begin(row, requested_by=row.requested_by)
            moved = run is not None
        if not moved:
            transaction.set_rollback(True)
            return False
        record(
            CLOCK,
            "deployments.deployment.approved",
            row,
            environment=environment.slug,
            fingerprint=row.fingerprint,
            comment="unattended",
        )
    if run is not None:
        claim.start(run.pk)
    return True
