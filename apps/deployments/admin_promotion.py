"""The page between the button *Promote* and its verb: it shows both differences."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.errors import NotFound, PortalError
from apps.core.permissions import Actor
from apps.deployments import promotions, services
from apps.environments.lookup import find_environment
from apps.environments.models import Environment


def promote(request: HttpRequest, source: str, slug: str) -> HttpResponse:
    """Unknown names are 404; what stands in the way is said on the page, its button disabled."""
    actor = actor_of(request)
    try:
        below, above = find_environment(actor, source), find_environment(actor, slug)
    except NotFound as error:
        raise Http404(error.detail) from error

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        row = services.promote(
            actor, environment=slug, source=source, reason=given.get("reason", "")
        )
        return reverse("admin:deployments_deployment_change", args=[row.pk])

    return confirm(request, to_promote(actor, below, above), above, act)


def to_promote(actor: Actor, below: Environment, above: Environment) -> Confirmation:
    """What will come, what stays, and why not."""
    blocked = why_not(actor, "deploy", above.slug)
    page = Confirmation(
        title=f"Promote from {below.slug} to {above.slug}?",
        sentence=f"This plans, for {above.slug}, exactly the revision that is verified in"
        f" {below.slug}. Nothing changes yet: you see the plan, and confirm it.",
        button=f"Plan promotion to {above.slug}",
        back=reverse("admin:environment", args=[below.slug]),
        ask_reason="Reason (kept with the deployment)",
        heading="What comes, and what stays",
        blocked=blocked,
    )
    try:
        found = promotions.look_at(below, above)
    except PortalError as error:
        page.blocked = blocked or error
        return page
    context = {"promotion": found.document(), "environment": above}
    page.extra = render_to_string("deployments/_promotion.html", context)
    page.lines = [
        ("", f"Brings revision {found.identity.short}, program {found.identity.program_digest}"),
        *[("", f"It waits: {blocker.detail}") for blocker in found.blockers],
    ]
    return page
