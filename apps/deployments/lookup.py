"""From an id to a row the actor may see."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.deployments.models import Deployment, Run


def find_deployment(actor: Actor, deployment: int) -> Deployment:
    """Raises NotFound (`deployment.unknown`), also for one the actor may not see."""
    rows = Deployment.objects.visible_to(actor)
    rows = rows.select_related("environment__protection", "environment__stack")
    found = rows.filter(pk=deployment).first()
    if found is None:
        raise NotFound(
            "deployment.unknown",
            f"There is no deployment {deployment}, or you may not see it.",
            next_step="Look at the list of deployments.",
        )
    return found


def find_run(actor: Actor, run: int) -> Run:
    """Raises NotFound (`run.unknown`), also for one the actor may not see."""
    rows = Run.objects.visible_to(actor).select_related("stack__environment", "deployment")
    found = rows.filter(pk=run).first()
    if found is None:
        raise NotFound(
            "run.unknown",
            f"There is no run {run}, or you may not see it.",
            next_step="Look at the list of runs.",
        )
    return found
