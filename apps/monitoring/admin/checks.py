"""Checks in the admin: what was found, and the buttons to look again and to pause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.core.templatetags.portal import at, environment_tag, status, visible
from apps.environments.lookup import find_environment
from apps.live.sequences import last_sequence
from apps.monitoring import check_pages, services
from apps.monitoring.choices import Health
from apps.monitoring.lanes import strip_of
from apps.monitoring.models import Check

DEEDS = (
    ("edit", check_pages.change),
    ("retire", check_pages.retire),
    ("renew", check_pages.renew),
)


class StateFilter(admin.SimpleListFilter):
    """`?state=trouble`: what is not well."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("trouble", "Not well"), ("well", "Well")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "well":
            return queryset.filter(health=Health.HEALTHY)
        return queryset.exclude(health=Health.HEALTHY) if self.value() == "trouble" else queryset


@admin.register(Check)
class CheckAdmin(PortalModelAdmin):
    list_display = (
        "name",
        "place",
        "shown_status",
        "kind",
        "reason",
        "looked",
    )
    list_filter = (StateFilter, ("environment", VisibleFilter), "kind")
    list_select_related = ("environment",)
    search_fields = ("name",)
    search_help_text = "Name"
    head = "What is watched, and what was found."
    empty = "Checks come with the first deployment of an environment, or are made here."
    tools = (("admin:monitoring_check_new", "New check…"),)

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Check) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Reason")
    def reason(self, row: Check) -> str:
        return visible(row.health_reason)

    @admin.display(description="Last look", ordering="last_checked_at")
    def looked(self, row: Check) -> str:
        return at(row.last_checked_at, seconds=True)

    @admin.display(description="Status")
    def shown_status(self, row: Check) -> SafeString:
        return status(row.state, plain=True)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("all/<slug:slug>/", wrap(self.check_all), name="monitoring_check_environment"),
            path("new/", wrap(check_pages.choose), name="monitoring_check_new"),
            path(
                "new/<slug:slug>/<slug:kind>/", wrap(check_pages.make), name="monitoring_check_make"
            ),
            *(
                path(f"<int:pk>/{word}/", wrap(self.asked(page)), name=f"monitoring_check_{word}")
                for word, page in DEEDS
            ),
            path("<int:pk>/look/", wrap(self.look), name="monitoring_check_look"),
            path("<int:pk>/switch/", wrap(self.switch), name="monitoring_check_switch"),
        ]
        return [*own, *super().get_urls()]

    def asked(self, page: Callable[[HttpRequest, Check], HttpResponse]) -> Any:
        """The page of a check that the person may see."""
        return lambda request, pk: page(request, self.find(request, pk))

    def find(self, request: HttpRequest, pk: Any) -> Check:
        rows = Check.objects.visible_to(actor_of(request)).select_related("environment")
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
        refusal = why_not(actor_of(request), "check", row.environment.slug)
        context = {
            "row": row,
            "environment": row.environment,
            "results": list(row.results.all()[:40]),
            "day": strip_of(row),
            "may_check": refusal is None,
            "refusal": refusal,
            "edit_refusal": check_pages.refusal_of(actor_of(request), row),
            "after": last_sequence(),
        }
        if request.GET.get("fragment"):
            return render(request, "monitoring/_check.html", context)
        frame = self.admin_site.each_context(request)
        return render(request, "monitoring/check.html", {**frame, "title": row.name, **context})

    def check_all(self, request: HttpRequest, slug: str) -> HttpResponse:
        try:
            place = find_environment(actor_of(request), slug)
        except NotFound as error:
            raise Http404(error.detail) from error
        back = reverse("admin:environment", args=[slug])

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.request_checks(actor, environment=slug)
            return back

        page = Confirmation(
            title=f"Look at every check of {slug} now?",
            sentence="It only reads. Results appear within seconds.",
            button=f"Check {slug} now",
            back=back,
            reading=True,
        )
        return confirm(request, page, place, act)

    def look(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        back = reverse("admin:monitoring_check_change", args=[pk])

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.request_checks(actor, environment=row.environment.slug, check_id=pk)
            return back

        page = Confirmation(
            f"Check {row.name} now?", "It only reads.", "Check now", back, reading=True
        )
        return confirm(request, page, row.environment, act)

    def switch(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        back = reverse("admin:monitoring_check_change", args=[pk])
        word = "Pause" if row.is_enabled else "Resume"

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.set_check_enabled(actor, check_id=pk, enabled=not row.is_enabled)
            return back

        sentence = "Nobody looks at it until it is resumed; that is not trouble."
        page = Confirmation(f"{word} {row.name}?", sentence, f"{word} {row.name}", back)
        return confirm(request, page, row.environment, act)
