"""MCP servers in the admin: wish and fact side by side, the probe's ladder, the tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.permissions import Actor
from apps.core.templatetags.portal import environment_tag, status
from apps.mcp import services
from apps.mcp.models import McpServer
from apps.mcp.picture import picture


@admin.register(McpServer)
class McpServerAdmin(PortalModelAdmin):
    list_display = (
        "name",
        "place",
        "port",
        "shown_wish",
        "shown_health",
        "package",
        "package_version",
    )
    list_filter = (("environment", VisibleFilter), "wish")
    search_fields = ("name", "package")
    search_help_text = "Name or package"
    plural = "MCP servers"
    head = "What the operator wants of a server, and what the prober found."
    empty = "The memory server comes with the first deployment."
    list_select_related = ("environment", "check_row")

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: McpServer) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Wish")
    def shown_wish(self, row: McpServer) -> SafeString:
        return status(row.wished, plain=True)

    @admin.display(description="Health")
    def shown_health(self, row: McpServer) -> SafeString:
        return status(row.health, plain=True)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/check/", wrap(self.look), name="mcp_mcpserver_check"),
            path("<int:pk>/wish/<slug:wish>/", wrap(self.wish), name="mcp_mcpserver_wish"),
        ]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: Any) -> McpServer:
        rows = McpServer.objects.visible_to(actor_of(request))
        row = rows.select_related("environment", "check_row").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not object_id.isdigit():
            raise Http404
        row = self.find(request, int(object_id))
        context = {"row": row, "environment": row.environment, **picture(actor_of(request), row)}
        context["band_facts"] = [f"MCP server {row.name}", f"port {row.port}"]
        if request.GET.get("fragment"):
            return render(request, "mcp/_server.html", context)
        frame = self.admin_site.each_context(request)
        return render(request, "mcp/server.html", {**frame, "title": row.name, **context})

    def look(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        back = reverse("admin:mcp_mcpserver_change", args=[pk])

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.check_server(actor, server=row.slug)
            return back

        page = Confirmation(
            f"Check {row.name} now?", "It only reads.", "Check now", back, reading=True
        )
        return confirm(request, page, row.environment, act)

    def wish(self, request: HttpRequest, pk: int, wish: str) -> HttpResponse:
        row = self.find(request, pk)
        back = reverse("admin:mcp_mcpserver_change", args=[pk])
        word = {"enabled": "Enable", "paused": "Pause", "disabled": "Disable"}.get(wish)
        if word is None:
            raise Http404

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.set_wish(actor, server=row.slug, wish=wish)
            return back

        slug = row.environment.slug
        sentence = "Its process goes on; only the checks follow the wish."
        page = Confirmation(
            f"{word} {row.name} in {slug}?", sentence, f"{word} {row.name} in {slug}", back
        )
        page.lines = [("", f"The checks of {row.name} {'go on' if wish == 'enabled' else 'stop'}.")]
        page.blocked = why_not(actor_of(request), "check", slug)
        return confirm(request, page, row.environment, act)
