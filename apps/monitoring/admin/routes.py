"""Alert routes and what was sent through them."""

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
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.errors import PortalError
from apps.core.permissions import EVERYWHERE, Actor
from apps.core.templatetags.portal import at, dot, environment_tag, status, visible
from apps.environments.models import Environment
from apps.live.sequences import last_sequence
from apps.monitoring import services
from apps.monitoring.choices import RouteKind, Severity
from apps.monitoring.models import AlertRoute, Delivery

FIELDS = ("name", "kind", "address", "environment", "severity", "quiet_from", "quiet_to")
EDITED = ("address", "severity", "quiet_from", "quiet_to")


@admin.register(AlertRoute)
class AlertRouteAdmin(PortalModelAdmin):
    list_display = ("name", "kind", "place", "severity", "shown", "on")
    list_filter = ("kind", "severity", ("environment", VisibleFilter))
    list_select_related = ("environment",)
    search_fields = ("name",)
    search_help_text = "Name"
    ordering = ("name",)
    head = "Who hears of trouble, from which severity upwards."
    empty = "Nobody is told of trouble yet. Make a route with the button above."

    @admin.display(description="Environment")
    def place(self, row: AlertRoute) -> SafeString | str:
        return environment_tag(row.environment) if row.environment else "all"

    @admin.display(description="State")
    def on(self, row: AlertRoute) -> SafeString:
        return dot("ok", "On") if row.is_enabled else dot("off", "Off")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Shows the button; the form itself asks the verb."""
        return self.has_module_permission(request)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "monitoring_alertroute_"
        own = [
            path("<int:pk>/edit/", wrap(self.edit), name=f"{name}edit"),
            path("<int:pk>/test/", wrap(self.test), name=f"{name}test"),
            path("<int:pk>/switch/", wrap(self.switch), name=f"{name}switch"),
            path("<int:pk>/remove/", wrap(self.remove), name=f"{name}remove"),
        ]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: Any) -> AlertRoute:
        rows = AlertRoute.objects.visible_to(actor_of(request)).select_related("environment")
        row: AlertRoute | None = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form; after it the secret, this once."""
        actor = actor_of(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "New alert route",
            "given": request.POST,
            "kinds": RouteKind.choices,
            "severities": Severity.choices,
            "places": Environment.objects.visible_to(actor),
        }
        code = 200
        if request.method == "POST":
            given = {name: request.POST.get(name, "").strip() for name in FIELDS}
            try:
                context["row"], context["secret"] = services.make_route(actor, **given)
            except PortalError as error:
                context["refusal"], code = error, error.status
        return render(request, "monitoring/new_route.html", context, status=code)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not object_id.isdigit():
            raise Http404
        row = self.find(request, int(object_id))
        slug = row.environment.slug if row.environment else EVERYWHERE
        context = {
            "row": row,
            "environment": row.environment,
            "deliveries": list(row.deliveries.select_related("incident__environment")[:50]),
            "refusal": why_not(actor_of(request), "edit_settings", slug),
            "after": last_sequence(),
        }
        if request.GET.get("fragment"):
            return render(request, "monitoring/_route.html", context)
        frame = self.admin_site.each_context(request)
        return render(request, "monitoring/route.html", {**frame, "title": row.name, **context})

    def edit(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        back = reverse("admin:monitoring_alertroute_change", args=[pk])

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            fields = {name: given.get(name, "").strip() for name in EDITED}
            services.edit_route(actor, route_id=pk, **fields)
            return back

        slug = row.environment.slug if row.environment else EVERYWHERE
        page = Confirmation(
            title=f"Change {row.name}?",
            sentence=f"{row.get_kind_display()} to {row.shown}.",
            button=f"Change {row.name}",
            back=back,
            lines=[("", "What is queued goes to the new address; a signing secret stays.")],
            asks=asks_of(row),
            blocked=why_not(actor_of(request), "edit_settings", slug),
        )
        return confirm(request, page, row.environment, act)

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        page = _asked(row, f"Send a test message by {row.name}?", "It says that it is a test.")
        return self._confirmed(request, row, page, services.send_test_message)

    def switch(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        word = "Switch off" if row.is_enabled else "Switch on"
        page = _asked(row, f"{word} {row.name}?", "What is queued already is still sent.")
        return self._confirmed(
            request, row, page, services.set_route_enabled, enabled=not row.is_enabled
        )

    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        page = _asked(row, f"Remove {row.name}?", "Its log goes with it, and what is queued.")
        page.danger = True
        return self._confirmed(request, row, page, services.remove_route)

    def _confirmed(
        self, request: HttpRequest, row: AlertRoute, page: Confirmation, verb: Any, **more: Any
    ) -> HttpResponse:
        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            verb(actor, route_id=row.pk, **more)
            gone = verb is services.remove_route
            return reverse("admin:monitoring_alertroute_changelist") if gone else page.back

        return confirm(request, page, row.environment, act)


def asks_of(row: AlertRoute) -> list[Ask]:
    """What may be another; an address is shown to nobody, so its field is empty."""
    quiet = [(f"{clock:%H:%M}" if clock else "") for clock in (row.quiet_from, row.quiet_to)]
    return [
        Ask("address", "Address", help="Empty: the one it has stays."),
        Ask("severity", "Hears from", choices=Severity.choices, value=row.severity),
        Ask("quiet_from", "Quiet from", value=quiet[0], help="As 22:00, UTC; both empty: never."),
        Ask("quiet_to", "Quiet to", value=quiet[1]),
    ]


def _asked(row: AlertRoute, title: str, sentence: str) -> Confirmation:
    back = reverse("admin:monitoring_alertroute_change", args=[row.pk])
    return Confirmation(title, sentence, title.rstrip("?"), back, reading=True)


@admin.register(Delivery)
class DeliveryAdmin(PortalModelAdmin):
    list_display = ("number", "route", "event", "shown_status", "attempts", "made", "said")
    list_display_links = None
    list_filter = ("status", "severity")
    list_select_related = ("route",)
    search_fields = ("message_id__exact",)
    search_help_text = "Message id"
    plural = "Deliveries"
    head = "What was sent to whom, and what waits to be sent."
    empty = "Nothing was told yet."

    @admin.display(description="Delivery", ordering="id")
    def number(self, row: Delivery) -> str:
        return str(row.pk)

    @admin.display(description="Status")
    def shown_status(self, row: Delivery) -> SafeString:
        return status(row.state, plain=True)

    @admin.display(description="Answer")
    def said(self, row: Delivery) -> str:
        return visible(row.answer)

    @admin.display(description="Made")
    def made(self, row: Delivery) -> SafeString | str:
        return at(row.made_at, seconds=True)
