"""What a validation means for the deployments of its environment: failures block."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.deployments.blocking import Blocker
from apps.deployments.choices import DeploymentStatus, Kind
from apps.deployments.models import Deployment
from apps.environments.choices import Finding
from apps.environments.matrix import Difference, differences_before
from apps.environments.models import Validation
from apps.environments.reports import by_urgency, readable

# A rollback goes away from today's settings, and to destroy or read back needs none of them.
VALIDATED = (Kind.DEPLOY, Kind.IMPORT)
UNDECIDED = (
    DeploymentStatus.PLANNING,
    DeploymentStatus.AWAITING_APPROVAL,
    DeploymentStatus.SCHEDULED,
)
TOLD = (Finding.WARNING, Finding.UNKNOWN)


def newest_of(deployment: Deployment) -> Validation | None:
    """
    The environment's newest validation, once the plan has had one: whoever mends what failed
    validates again, and the gate opens without a new plan.
    """
    if deployment.validation_id is None:
        return None
    rows = Validation.objects.filter(environment=deployment.environment_id)
    return rows.filter(pk__gte=deployment.validation_id).order_by("-pk").first()


def validation_blockers(deployment: Deployment) -> list[Blocker]:
    """What failed, each under its own code."""
    if deployment.kind not in VALIDATED:
        return []
    row = newest_of(deployment)
    return [
        Blocker(
            item["code"],
            f"{item['detail']} {item['next_step']}".strip(),
            by=row.by if row else "",
            since=row.at if row else None,
        )
        for item in (row.items if row else [])
        if item["status"] == Finding.FAILED
    ]


def warnings(actor: Actor, deployment: Deployment) -> list[dict[str, Any]]:
    """What does not block and needs an eye: `{"code", "what", "status", "detail", …}`."""
    row = newest_of(deployment)
    items = by_urgency(row.items) if row else []
    return [readable(actor, item) for item in items if item["status"] in TOLD]


def unexplained(deployment: Deployment) -> list[Difference]:
    """What differs from the environment below without a reason, while the plan is decided on."""
    if deployment.kind not in VALIDATED or deployment.status not in UNDECIDED:
        return []
    return differences_before(deployment.environment)
