"""Where a deployment comes from and where one can go from it, for its page."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.core.permissions import Actor, may
from apps.deployments import ladder, recoverers, rollbacks
from apps.deployments.choices import DeploymentStatus, Verification
from apps.deployments.models import Deployment


def origin(actor: Actor, row: Deployment) -> dict[str, Any]:
    """Soak, recovery, and the way back where this one is there now and does not pass."""
    until = row.soak_until if row.verification == Verification.PASSED else None
    failed = row.status == DeploymentStatus.FAILED or row.verification == Verification.FAILED
    needs_recovery = row.status == DeploymentStatus.NEEDS_RECOVERY
    return {
        "ladder": ladder.steps(row) if needs_recovery else [],
        "recoverers": recoverers.people(row) if needs_recovery else [],
        "soaks_until": until if until and until > timezone.now() else None,
        "can_roll_back": failed
        and may(actor, "deploy", row.environment.slug)
        and rollbacks.current(row.environment) == row
        and rollbacks.target_of(row.environment, None) is not None,
    }
