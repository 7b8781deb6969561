"""A hold: the revision that was rolled back from does not come back unseen."""

from __future__ import annotations

from apps.core.errors import Refused
from apps.deployments.blocking import Blocker
from apps.deployments.choices import Kind
from apps.deployments.models import Deployment, Hold
from apps.environments.models import Environment


def hold_blockers(deployment: Deployment) -> list[Blocker]:
    """
    Automation is stopped by every hold of the environment; a person by the one on this very
    revision. Rolling back, destroying and reading back bring no revision in.
    """
    if deployment.kind != Kind.DEPLOY:
        return []
    return [
        blocker_of(hold)
        for hold in Hold.objects.standing().filter(environment=deployment.environment)
        if deployment.automated or is_of(hold, deployment)
    ]


def is_of(hold: Hold, deployment: Deployment) -> bool:
    """Whether the deployment is of the held revision; without digests nobody can tell."""
    held = (hold.program_digest, hold.config_digest)
    found = deployment.revision
    return all(held) and held == (found.get("program_digest"), found.get("config_digest"))


def blocker_of(hold: Hold) -> Blocker:
    return Blocker(
        "environment.held",
        f"{hold.environment.slug} is held since {hold.set_at:%Y-%m-%d %H:%M} UTC by {hold.set_by}:"
        f" the revision of deployment {hold.deployment_id} was rolled back from ({hold.reason})."
        f" Lift hold {hold.pk} to let it, or automation, in again.",
        by=hold.set_by,
        since=hold.set_at,
    )


def refuse_automation(place: Environment, kind: str, *, automated: bool) -> None:
    """Raises Refused (`environment.held`) before anything is planned that a hold would stop."""
    if not automated or kind != Kind.DEPLOY:
        return
    blockers = [blocker_of(hold) for hold in Hold.objects.standing().filter(environment=place)]
    if blockers:
        raise Refused(
            "environment.held",
            blockers[0].detail,
            next_step="A person lifts the hold, or deploys what mends it.",
            blocked_by=[blocker.as_dict() for blocker in blockers],
        )
