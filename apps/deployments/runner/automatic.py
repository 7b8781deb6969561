"""
The automatic rollback: a switch of the environment, off by default; once for a failed verification,
and never for a rollback's own, so that it cannot go round.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments import approvals, gates, rollbacks
from apps.deployments.choices import Decision, DeploymentStatus, Kind, Verification
from apps.deployments.models import Approval, Deployment
from apps.deployments.runner import applying, claim
from apps.deployments.signals import rollback_due

log = structlog.get_logger(__name__)
RETURNER = system("automatic rollback")
# Older failures are people's: they have seen them, and may have mended the thing by hand.
FRESH = timedelta(minutes=20)


def due() -> QuerySet[Deployment]:
    """Failed verifications of environments with the switch on that nobody has reacted to."""
    now = timezone.now()
    fresh = Q(finished_at__gt=now - FRESH) | Q(soak_until__gt=now)
    return Deployment.objects.filter(
        fresh,
        kind=Kind.DEPLOY,
        verification=Verification.FAILED,
        status__in=(DeploymentStatus.FAILED, DeploymentStatus.SUCCEEDED),
        environment__protection__automatic_rollback=True,
        rollback_tried_at__isnull=True,
        rollbacks__isnull=True,
    ).select_related("environment")


def tell_due() -> int:
    """Tries each once, whatever comes of it: the mark stands before the try."""
    count = 0
    for row in due():
        if rollbacks.current(row.environment) != row:
            continue
        marked = Deployment.objects.filter(pk=row.pk, rollback_tried_at__isnull=True)
        if marked.update(rollback_tried_at=timezone.now()):
            rollback_due.send(sender=Deployment, deployment=row)
            count += 1
    return count


def confirm_own() -> int:
    """
    The plan of an automatic rollback is confirmed by the switch, where the environment asks nobody
    for approval; where it does, people decide as always.
    """
    rows = Deployment.objects.filter(
        kind=Kind.ROLLBACK,
        automated=True,
        requested_by=RETURNER.name,
        status=DeploymentStatus.AWAITING_APPROVAL,
        turn_at__isnull=False,
    )
    return sum(map(_confirm, rows.select_related("environment__protection", "environment__stack")))


def _confirm(row: Deployment) -> bool:
    if approvals.needed(row) or gates.blockers(row):
        return False
    with transaction.atomic():
        Approval.objects.create(
            deployment=row,
            fingerprint=row.fingerprint,
            decision=Decision.APPROVED,
            by=RETURNER.name,
            comment=f"{row.environment.slug} rolls back by itself after a failed verification.",
        )
        run = applying.begin(row, requested_by=RETURNER.name)
        if run is None:
            transaction.set_rollback(True)
            return False
        record(
            RETURNER,
            "deployments.deployment.approved",
            row,
            environment=row.environment.slug,
            fingerprint=row.fingerprint,
            comment="automatic rollback",
        )
    claim.start(run.pk)
    return True
