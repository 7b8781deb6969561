"""The live messages of runs and deployments, in the transaction that changes them."""

from __future__ import annotations

from apps.deployments.models import Deployment, Run
from apps.live.services import announce


def announce_run(run: Run) -> None:
    """`run.changed` to the run's deployment and environment."""
    slug = run.stack.environment.slug
    payload = {
        "run": run.pk,
        "operation": run.operation,
        "status": run.status,
        "deployment": run.deployment_id,
        "environment": slug,
    }
    if run.deployment_id is not None:
        announce(f"deployment:{run.deployment_id}", "run.changed", **payload)
    else:
        # A look for drift: the home shows what it finds.
        announce("fleet", "run.changed", **payload)
    announce(f"environment:{slug}", "run.changed", **payload)


def announce_deployment(deployment: Deployment) -> None:
    """`deployment.changed` to the deployment, its environment and the fleet."""
    slug = deployment.environment.slug
    payload = {
        "deployment": deployment.pk,
        "environment": slug,
        "deployment_kind": deployment.kind,
        "status": deployment.status,
    }
    for topic in (f"deployment:{deployment.pk}", f"environment:{slug}", "fleet"):
        announce(topic, "deployment.changed", **payload)
