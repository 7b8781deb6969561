"""What waits too long: plans for people, and decisions for their gate."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.deployments import approvals
from apps.deployments.choices import DeploymentStatus
from apps.deployments.models import Deployment
from apps.deployments.runner import progress

AGAIN = "Decide once more, or plan again."


def waits_since(deployment: Deployment) -> datetime | None:
    """Since when its plan waits for people: the plan, or the end of what they had decided."""
    given = deployment.approvals.filter(fingerprint=deployment.fingerprint)
    lapsed = given.aggregate(last=Max("voided_at"))["last"]
    return max((at for at in (deployment.planned_at, lapsed) if at), default=None)


def expire_plans() -> int:
    """Plans that waited for people longer than their environment allows."""
    rows = Deployment.objects.filter(
        status=DeploymentStatus.AWAITING_APPROVAL, planned_at__isnull=False
    )
    return sum(map(_expire, rows.select_related("environment__protection")))


def _expire(deployment: Deployment) -> bool:
    since = waits_since(deployment)
    if since is None or timezone.now() - since <= approvals.holds_for(deployment):
        return False
    hours = deployment.environment.protection.approval_hours
    with transaction.atomic():
        return progress.move(
            deployment,
            DeploymentStatus.EXPIRED,
            status_code="deployment.expired",
            status_reason=f"Nobody applied this plan within {hours} hours.",
            status_next_step="Plan again.",
        )


def ask_again() -> int:
    """
    Plans that have the turn and wait for a gate, and whose decision holds no more: they wait for
    people again. What has no turn is planned and decided anew anyway.
    """
    rows = Deployment.objects.filter(
        status=DeploymentStatus.SCHEDULED, turn_at__isnull=False
    ).select_related("environment__protection")
    return sum(map(_ask_again, rows))


def _ask_again(deployment: Deployment) -> bool:
    found = approvals.lapsed(deployment)
    if found is None:
        return False
    with transaction.atomic():
        return send_back(deployment, found)


def send_back(deployment: Deployment, why: approvals.Unfit) -> bool:
    """To await a decision once more, in the caller's transaction."""
    return progress.await_again(
        deployment, status_code=why.code, status_reason=why.detail, status_next_step=AGAIN
    )
