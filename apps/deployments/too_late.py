"""What the status of a deployment forbids: why a verb comes too late, or too early."""

from __future__ import annotations

from apps.core.errors import Refused
from apps.deployments.choices import DEPLOYMENT_TRANSITIONS, DeploymentStatus
from apps.deployments.models import Deployment, Run

WAITING = (DeploymentStatus.AWAITING_APPROVAL, DeploymentStatus.SCHEDULED)
WITH_RUN = (DeploymentStatus.PLANNING, DeploymentStatus.APPLYING)


def to_decide(row: Deployment) -> Refused | None:
    """Why its plan can be neither approved nor rejected now; None when it can."""
    if row.status == DeploymentStatus.AWAITING_APPROVAL:
        return None
    return Refused(
        "deployment.not_awaiting",
        f"Deployment {row.pk} awaits no decision: it is {_status(row)}.",
        next_step="Look at it again.",
    )


def to_cancel(row: Deployment) -> Refused | None:
    """Why it cannot be canceled now; None when it can."""
    if row.status in WAITING + WITH_RUN:
        return None
    if row.status == DeploymentStatus.NEEDS_RECOVERY:
        return Refused(
            "deployment.needs_recovery",
            f"Deployment {row.pk} needs recovery: it is not known what was done.",
            next_step="Recover it; the plan after that can be canceled.",
        )
    if row.status == DeploymentStatus.VERIFYING:
        return Refused(
            "deployment.applied",
            f"The update of deployment {row.pk} is applied; only its checks go on.",
            next_step="Deploy or roll back to change the environment again.",
        )
    return Refused(
        "deployment.over",
        f"Deployment {row.pk} is over: {_status(row)}.",
        next_step=f"Request a new deployment to change {row.environment.slug}.",
    )


def to_cancel_run(run: Run) -> Refused | None:
    """Why this run cannot be canceled any more; None when it can."""
    if not run.is_terminal:
        return None
    return Refused(
        "run.over",
        f"Run {run.pk} is over: {run.get_status_display().lower()}.",
        next_step="Read its log for what it did.",
    )


def to_plan_again(row: Deployment) -> Refused | None:
    """Why it is not planned once more; None when it can be."""
    if row.status == DeploymentStatus.NEEDS_RECOVERY:
        return Refused(
            "deployment.needs_recovery",
            f"Deployment {row.pk} needs recovery: {row.status_reason}",
            next_step="Recover it first; that plans again by itself.",
        )
    if DeploymentStatus.PLANNING in DEPLOYMENT_TRANSITIONS[DeploymentStatus(row.status)]:
        return None
    return Refused(
        "deployment.not_replannable",
        f"Deployment {row.pk} is {_status(row)}; it is not planned again.",
        next_step=f"Request a new deployment of {row.environment.slug}.",
    )


def to_recover(row: Deployment) -> Refused | None:
    """Why there is nothing to recover; None when there is."""
    if row.status == DeploymentStatus.NEEDS_RECOVERY:
        return None
    return Refused(
        "deployment.nothing_to_recover",
        f"Deployment {row.pk} is {_status(row)}; it needs no recovery.",
        next_step="Look at it again.",
    )


def _status(row: Deployment) -> str:
    return str(row.get_status_display()).lower()
