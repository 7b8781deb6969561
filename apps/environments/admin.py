"""Environments in the admin. Their page is the dashboard's: it shows what stands above them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import with_refusals
from apps.core.permissions import may
from apps.core.templatetags.portal import at, environment_tag, status
from apps.environments import matrix_page, port_pages, setup_page, validation_page
from apps.environments.models import Environment, Freeze, Port, Secret, Setting
from apps.environments.port_states import listening


@admin.register(Environment)
class EnvironmentAdmin(PortalModelAdmin):
    list_display = ("tag", "tier", "rank", "description")
    ordering = ("rank",)
    head = "Places to deploy to, in the order of promotion."

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tools = [
            (reverse("admin:environments_environment_matrix"), "Matrix"),
            (reverse("admin:environments_environment_setup"), "Ready for production?"),
        ]
        if may(actor_of(request), "view"):
            tools.append((reverse("admin:base-settings"), "Base settings"))
        return super().changelist_view(request, {"tools": tools, **(extra_context or {})})

    @admin.display(description="Environment", ordering="rank")
    def tag(self, row: Environment) -> SafeString:
        return environment_tag(row)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "environments_environment_"
        own = [
            path("matrix/", wrap(self.matrix), name=f"{name}matrix"),
            path("setup/", wrap(self.setup), name=f"{name}setup"),
            path("setup/check/", wrap(setup_page.ask), name=f"{name}check_setup"),
            path("matrix/export.<slug:kind>", wrap(matrix_page.export), name=f"{name}export"),
            path("<slug:slug>/explain/", wrap(matrix_page.ask), name=f"{name}explain"),
            path("<slug:slug>/validation/", wrap(self.validation), name=f"{name}validation"),
            path("<slug:slug>/validate/", wrap(validation_page.ask), name=f"{name}validate"),
        ]
        return [*own, *super().get_urls()]

    def matrix(self, request: HttpRequest) -> HttpResponse:
        return matrix_page.page(request, self.admin_site.each_context(request))

    def setup(self, request: HttpRequest) -> HttpResponse:
        return with_refusals(setup_page.page)(request, self.admin_site.each_context(request))

    def validation(self, request: HttpRequest, slug: str) -> HttpResponse:
        return validation_page.page(request, slug, self.admin_site.each_context(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Leads to the environment's page."""
        rows = Environment.objects.visible_to(actor_of(request))
        row = rows.filter(pk=object_id).first() if object_id.isdigit() else None
        if row is None:
            raise Http404
        return HttpResponseRedirect(reverse("admin:environment", args=[row.slug]))


class OfEnvironment(PortalModelAdmin):
    visible_by = "environment__slug"
    list_select_related = ("environment",)
    list_filter = (("environment", VisibleFilter),)

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Setting | Secret | Freeze) -> SafeString:
        return environment_tag(row.environment)


@admin.register(Setting)
class SettingAdmin(OfEnvironment):
    list_display = ("key", "place", "kind", "shown", "note", "changed")
    search_fields = ("key",)
    search_help_text = "Key"
    head = "What the program reads, by environment. Changed on the page of the environment."

    @admin.display(description="Value")
    def shown(self, row: Setting) -> str:
        text = str(row.value)
        return text if len(text) <= 80 else f"{text[:79]}…"

    @admin.display(description="Changed", ordering="changed_at")
    def changed(self, row: Setting) -> str:
        return at(row.changed_at)


@admin.register(Secret)
class SecretAdmin(OfEnvironment):
    """Versions only: a value never comes back out."""

    list_display = ("key", "place", "version", "set_moment", "set_by", "rotation_due_at")
    fields = ("environment", "key", "version", "set_at", "set_by", "rotation_due_at")
    head = "Values are never shown, only versions."

    @admin.display(description="Set", ordering="set_at")
    def set_moment(self, row: Secret) -> str:
        return at(row.set_at)


@admin.register(Port)
class PortAdmin(PortalModelAdmin):
    list_display = ("port", "host", "protocol", "owner", "place", "now", "note", "deed")
    list_select_related = ("environment",)
    list_filter = (("environment", VisibleFilter),)
    search_fields = ("=port", "owner")
    search_help_text = "Port or owner"
    head = "Who may listen where, and who does. One owner for each port of an address."

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Port) -> SafeString | str:
        return environment_tag(row.environment) if row.environment else "the host"

    @admin.display(description="Listening now")
    def now(self, row: Port) -> SafeString:
        found = listening(row)
        return status(found.state, found.words(), plain=True)

    @admin.display(description="You can")
    def deed(self, row: Port) -> SafeString | str:
        if row.environment is None:
            return ""
        link = reverse("admin:environments_port_release", args=[row.pk])
        return format_html('<a href="{}">Release {}…</a>', link, row.port)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "environments_port_"
        own = [
            path("allocate/<slug:slug>/", wrap(port_pages.allocate), name=f"{name}allocate"),
            path("<int:pk>/release/", wrap(port_pages.release), name=f"{name}release"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        slugs = Environment.objects.visible_to(actor_of(request)).order_by("rank")
        doors = [
            (reverse("admin:environments_port_allocate", args=[slug]), f"Allocate to {slug}…")
            for slug in slugs.values_list("slug", flat=True)
        ]
        own = {"choice": ("Allocate a port", doors)}
        return super().changelist_view(request, {**own, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Port]:
        rows = Port.objects.select_related("environment")
        slugs = actor_of(request).visible_environments()
        # A port of no environment is the machine's own: everybody sees it.
        return (
            rows
            if slugs is None
            else rows.filter(Q(environment=None) | Q(environment__slug__in=slugs))
        )


@admin.register(Freeze)
class FreezeAdmin(OfEnvironment):
    # Its own `visible_to`: a freeze of all environments is everybody's to see.
    visible_by = ""

    list_display = ("number", "place", "reason", "starts", "until", "created_by", "lifted_by")
    head = "When changes are forbidden."
    empty = "An approver freezes an environment on its page, over REST or with manage.py freeze."

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Freeze) -> SafeString | str:  # type: ignore[override]  # may be all of them
        return environment_tag(row.environment) if row.environment else row.place

    @admin.display(description="Freeze", ordering="id")
    def number(self, row: Freeze) -> int:
        return row.pk

    @admin.display(description="From", ordering="starts_at")
    def starts(self, row: Freeze) -> str:
        return at(row.starts_at)

    @admin.display(description="Until", ordering="ends_at")
    def until(self, row: Freeze) -> str:
        return at(row.ends_at) if row.ends_at else "lifted"
