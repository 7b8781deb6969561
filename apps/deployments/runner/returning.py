"""Whether what comes back is what was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.deployments.models import Deployment


def damage(deployment: Deployment, parts: Mapping[str, Any]) -> dict[str, str]:
    """
    Why this plan of a rollback must not be applied, as fields of the deployment; empty when its
    program and its configuration are those of then.
    """
    if deployment.returns_to is None:
        return {}
    kept = deployment.returns_to.kept
    if parts["program_digest"] == kept.program_digest:
        return {}
    return {
        "status_code": "revision.damaged",
        "status_reason": "The kept program of deployment"
        f" {deployment.returns_to_id} is not what ran then: its digest is"
        f" {str(parts['program_digest'])[:12] or 'none'}, not {kept.program_digest[:12]}.",
        "status_next_step": "Roll back to another revision, or deploy the commit from git.",
    }
