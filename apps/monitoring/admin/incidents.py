"""Incidents in the admin: what is wrong since when, who looks at it, who was told."""

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
from apps.core.templatetags.portal import at, duration, environment_tag, status, visible
from apps.live.sequences import last_sequence
from apps.monitoring import services
from apps.monitoring.choices import IncidentSource
from apps.monitoring.models import Check, Incident

SILENCES = {60: "1 hour", 480: "8 hours", 1440: "1 day"}


@admin.register(Incident)
class IncidentAdmin(PortalModelAdmin):
    list_display = ("number", "place", "shown_status", "shown_severity", "what", "why", "since")
    list_filter = ("status", "severity", "source", ("environment", VisibleFilter))
    list_select_related = ("environment",)
    search_fields = ("thing",)
    search_help_text = "Thing"
    head = "Times of trouble, newest first."
    empty = "One opens by itself when a check, an alert or the portal finds trouble."

    @admin.display(description="Incident", ordering="id")
    def number(self, row: Incident) -> str:
        return str(row.pk)

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Incident) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Status")
    def shown_status(self, row: Incident) -> SafeString:
        return status(row.state, plain=True)

    @admin.display(description="Severity")
    def shown_severity(self, row: Incident) -> SafeString:
        return status(row.weight, plain=True)

    @admin.display(description="Thing")
    def what(self, row: Incident) -> str:
        return visible(row.thing)

    @admin.display(description="Reason")
    def why(self, row: Incident) -> str:
        return visible(row.reason)

    @admin.display(description="Since")
    def since(self, row: Incident) -> SafeString | str:
        return at(row.opened_at)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "monitoring_incident_"
        own = [
            path("<int:pk>/acknowledge/", wrap(self.acknowledge), name=f"{name}acknowledge"),
            path("<int:pk>/silence/<int:minutes>/", wrap(self.silence), name=f"{name}silence"),
            path("<int:pk>/close/", wrap(self.close), name=f"{name}close"),
        ]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: Any) -> Incident:
        rows = Incident.objects.visible_to(actor_of(request)).select_related("environment")
        row = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not object_id.isdigit():
            raise Http404
        row = self.find(request, int(object_id))
        names = (row.thing, f"{row.thing} process")
        checks = Check.objects.filter(environment=row.environment, name__in=names)
        context = {
            "row": row,
            "environment": row.environment,
            "entries": list(row.entries.all()[:200]),
            "deliveries": list(row.deliveries.select_related("route")[:50]),
            "checks": list(checks) if row.source == IncidentSource.CHECK else [],
            "refusal": why_not(actor_of(request), "check", row.environment.slug),
            "silences": SILENCES,
            "after": last_sequence(),
        }
        if request.GET.get("fragment"):
            return render(request, "monitoring/_incident.html", context)
        frame = self.admin_site.each_context(request)
        title = f"Incident {row.pk}"
        return render(request, "monitoring/incident.html", {**frame, "title": title, **context})

    def acknowledge(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        page = Confirmation(
            title=f"Acknowledge incident {pk}?",
            sentence=f"{row.thing}: others see that you look at it, and the routes are told.",
            button=f"Acknowledge incident {pk}",
            back=_page(pk),
            ask_reason="What you will do (shown in the timeline)",
            reading=True,
        )
        return self._confirmed(request, row, page, services.acknowledge_incident, "comment")

    def silence(self, request: HttpRequest, pk: int, minutes: int) -> HttpResponse:
        row = self.find(request, pk)
        words = SILENCES.get(minutes, duration(minutes * 60))
        page = Confirmation(
            title=f"Silence incident {pk} for {words}?" if minutes else "Lift the silence?",
            sentence=f"Nobody is told of {row.thing} meanwhile; the incident stays open."
            if minutes
            else f"The routes hear of {row.thing} again.",
            button=f"Silence incident {pk}" if minutes else f"Lift the silence of incident {pk}",
            back=_page(pk),
            ask_reason="Reason",
            reading=True,
        )
        return self._confirmed(
            request, row, page, services.silence_incident, "reason", minutes=minutes
        )

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        page = Confirmation(
            title=f"Close incident {pk}?",
            sentence=f"{row.thing}: an alarm of the portal ends when a person says so.",
            button=f"Close incident {pk}",
            back=_page(pk),
            ask_reason="Reason",
            reading=True,
        )
        return self._confirmed(request, row, page, services.close_incident, "reason")

    def _confirmed(
        self,
        request: HttpRequest,
        row: Incident,
        page: Confirmation,
        verb: Any,
        words: str,
        **more: Any,
    ) -> HttpResponse:
        def act(actor: Actor, given: Mapping[str, str]) -> str:
            verb(actor, incident_id=row.pk, **{words: given.get("reason", "")[:300]}, **more)
            return _page(row.pk)

        return confirm(request, page, row.environment, act)


def _page(pk: int) -> str:
    return reverse("admin:monitoring_incident_change", args=[pk])
