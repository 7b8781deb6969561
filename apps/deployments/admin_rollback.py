"""Going back in the admin: the revisions on offer, the page before the plan, holds."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import confirm, why_not
from apps.core.permissions import Actor
from apps.core.templatetags.portal import at, environment_tag
from apps.deployments import asking_rollback, rollbacks, services
from apps.deployments.models import Hold
from apps.environments.services import set_protection
from apps.environments.validation_page import environment_or_404


def page_of_environment(slug: str) -> str:
    return reverse("admin:environment", args=[slug])


@admin.register(Hold)
class HoldAdmin(PortalModelAdmin):
    list_display = ("number", "place", "shown_reason", "set_by", "since", "lifted", "lift_link")
    list_filter = (("environment", VisibleFilter),)
    list_select_related = ("environment",)
    plural = "Holds"
    head = "Revisions that were rolled back from. No automation brings one back while it is held."
    empty = "A rollback sets one."

    @admin.display(description="Hold", ordering="id")
    def number(self, row: Hold) -> str:
        return f"{row.pk} on deployment {row.deployment_id}"

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Hold) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Reason")
    def shown_reason(self, row: Hold) -> str:
        return row.reason

    @admin.display(description="Since", ordering="set_at")
    def since(self, row: Hold) -> str:
        return at(row.set_at)

    @admin.display(description="Lifted")
    def lifted(self, row: Hold) -> str:
        if row.stands:
            return "no, it holds"
        return format_html("{} by {}: {}", at(row.lifted_at), row.lifted_by, row.lift_reason)

    @admin.display(description="You can")
    def lift_link(self, row: Hold) -> str:
        if not row.stands:
            return ""
        place = reverse("admin:deployments_hold_lift", args=[row.pk])
        return format_html('<a class="op-btn is-small" href="{}">Lift…</a>', place)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/lift/", wrap(self.lift), name="deployments_hold_lift"),
            path("automatic/<slug:slug>/", wrap(self.automatic), name="deployments_automatic"),
            path("roll-back/<slug:slug>/", wrap(self.offer), name="deployments_rollback"),
            path("roll-back/<slug:slug>/<int:to>/", wrap(self.go), name="deployments_rollback_to"),
        ]
        return [*own, *super().get_urls()]

    def lift(self, request: HttpRequest, pk: int) -> HttpResponse:
        rows = Hold.objects.visible_to(actor_of(request)).select_related("environment")
        row = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        back = page_of_environment(row.environment.slug)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            services.lift_hold(actor, hold=pk, reason=given.get("reason", ""))
            return back

        page = asking_rollback.to_lift(actor_of(request), row, back)
        return confirm(request, page, row.environment, act)

    def offer(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The last verified revisions, each with what it would change."""
        place = environment_or_404(request, slug)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Roll {slug} back",
            "environment": place,
            "current": rollbacks.current(place),
            "candidates": rollbacks.candidates(place),
            "blocked": why_not(actor_of(request), "deploy", slug),
        }
        return render(request, "deployments/rollback.html", context)

    def go(self, request: HttpRequest, slug: str, to: int) -> HttpResponse:
        place = environment_or_404(request, slug)
        found = next((c for c in rollbacks.candidates(place) if c.deployment.pk == to), None)
        if found is None:
            raise Http404

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            reason = given.get("reason", "")
            row = services.roll_back(actor, environment=slug, to=to, reason=reason)
            return reverse("admin:deployments_deployment_change", args=[row.pk])

        back = reverse("admin:deployments_rollback", args=[slug])
        page = asking_rollback.to_roll_back(actor_of(request), found, back)
        return confirm(request, page, place, act)

    def automatic(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Turns the automatic rollback on or off."""
        place = environment_or_404(request, slug)
        wanted = not place.protection.automatic_rollback

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            # What the page said, not what somebody else has made of it since.
            enabled = given.get("enabled") == "yes"
            set_protection(actor, environment=slug, automatic_rollback=enabled)
            return page_of_environment(slug)

        back = page_of_environment(slug)
        page = asking_rollback.to_switch(actor_of(request), place, back, wanted=wanted)
        return confirm(request, page, place, act)
