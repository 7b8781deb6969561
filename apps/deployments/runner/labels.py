"""What was deployed says itself for which environment it is: the output `environment`."""

from __future__ import annotations

from typing import Any

from apps.deployments.choices import DeploymentStatus, Verification
from apps.deployments.models import Deployment, Run

LABEL = "environment"


def wrong_label(deployment: Deployment, run: Run) -> dict[str, Any] | None:
    """
    The fields of a deployment whose artefact is of another environment; None where it is of this
    one, or a program of the team's own says nothing about it.
    """
    if LABEL not in run.outputs or run.outputs[LABEL] == deployment.environment.slug:
        return None
    slug, found = deployment.environment.slug, run.outputs[LABEL]
    return {
        "to": DeploymentStatus.FAILED,
        "verification": Verification.FAILED,
        "status_code": "artefact.other_environment",
        "status_reason": f"What was applied to {slug} says that it is of {str(found)[:50]!r}.",
        "status_next_step": f"Look at what {slug} holds, then deploy the right program or roll"
        " back.",
    }
