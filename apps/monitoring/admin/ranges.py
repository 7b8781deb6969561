"""Ranges that are not public and that checks may reach all the same."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.permissions import may
from apps.core.templatetags.portal import environment_tag, visible
from apps.environments.models import Environment
from apps.monitoring import range_pages
from apps.monitoring.models import AllowedRange


@admin.register(AllowedRange)
class AllowedRangeAdmin(PortalModelAdmin):
    list_display = ("network", "place", "shown_ports", "why", "deed")
    list_display_links = None
    list_filter = (("environment", VisibleFilter),)
    list_select_related = ("environment",)
    search_fields = ("network",)
    search_help_text = "Network"
    plural = "Allowed ranges"
    head = "What the checks of an environment may reach although it is not public."
    empty = "Every environment has the ranges of the installation (PORTAL_PROBE_RANGES)."

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: AllowedRange) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Ports")
    def shown_ports(self, row: AllowedRange) -> str:
        return ", ".join(map(str, row.ports)) or "all"

    @admin.display(description="Reason")
    def why(self, row: AllowedRange) -> str:
        return visible(row.reason)

    @admin.display(description="")
    def deed(self, row: AllowedRange) -> SafeString:
        link = reverse("admin:monitoring_allowedrange_withdraw", args=[row.pk])
        return format_html('<a href="{}">Withdraw {}…</a>', link, row.network)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "monitoring_allowedrange_"
        own = [
            path("allow/<slug:slug>/", wrap(range_pages.allow), name=f"{name}allow"),
            path("<int:pk>/withdraw/", wrap(range_pages.withdraw), name=f"{name}withdraw"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        actor = actor_of(request)
        rows = Environment.objects.visible_to(actor).order_by("rank")
        doors = [
            (reverse("admin:monitoring_allowedrange_allow", args=[slug]), f"Allow in {slug}…")
            for slug in rows.values_list("slug", flat=True)
            if may(actor, range_pages.RIGHT, slug)
        ]
        own = {"choice": ("Allow a range", doors)}
        return super().changelist_view(request, {**own, **(extra_context or {})})
