"""The deed of bringing what an environment has verified one environment up."""

from __future__ import annotations

from django.urls import reverse

from apps.core.confirming import why_not
from apps.core.errors import PortalError
from apps.core.permissions import Actor, may
from apps.dashboard.panels import Deed
from apps.deployments import promotions
from apps.environments.models import Environment


def promotion_deeds(actor: Actor, below: Environment) -> list[Deed]:
    """One for each environment above that takes revisions from here and that the actor sees."""
    above = [row for row in promotions.targets(below) if may(actor, "view", row.slug)]
    # Asked once, however many environments stand above.
    is_verified = bool(above) and promotions.verified_now(below) is not None
    return [_deed(actor, below, row, is_verified=is_verified) for row in above]


def _deed(actor: Actor, below: Environment, above: Environment, *, is_verified: bool) -> Deed:
    refusal: PortalError | None = why_not(actor, "deploy", above.slug)
    reason = refusal.text if refusal else ""
    if not refusal and not is_verified:
        reason = f"What {below.slug} stands at is not verified."
    return Deed(
        f"Promote to {above.slug}",
        "Promote…",
        reverse("admin:deployments_deployment_promote", args=[below.slug, above.slug]),
        changes=True,
        words=f"Plans for {above.slug} exactly what is verified here.",
        reason=reason,
    )
