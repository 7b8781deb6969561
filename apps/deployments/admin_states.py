"""Kept copies of the state in the admin: the list, the difference of two, the way back to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not, with_refusals
from apps.core.permissions import Actor
from apps.core.templatetags.portal import at, environment_tag
from apps.deployments import services, states
from apps.deployments.models import StateCopy


@admin.register(StateCopy)
class StateCopyAdmin(PortalModelAdmin):
    list_display = ("number", "place", "after_run", "resources", "shown_digest", "taken")
    list_filter = (("stack__environment", VisibleFilter),)
    list_select_related = ("run", "stack__environment")
    plural = "States"
    head = "A copy of the state after each run that wrote it, sealed. The oldest go first."
    empty = "The first update keeps one."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("document")

    @admin.display(description="Copy", ordering="id")
    def number(self, row: StateCopy) -> str:
        return str(row.pk)

    @admin.display(description="Environment", ordering="stack__environment__rank")
    def place(self, row: StateCopy) -> SafeString:
        return environment_tag(row.stack.environment)

    @admin.display(description="After")
    def after_run(self, row: StateCopy) -> SafeString:
        place = reverse("admin:deployments_run_log", args=[row.run_id])
        return format_html('<a href="{}">run {}</a> {}', place, row.run_id, row.run.operation)

    @admin.display(description="Digest")
    def shown_digest(self, row: StateCopy) -> SafeString:
        return format_html('<code title="{}">{}</code>', row.digest, row.digest[:12])

    @admin.display(description="Taken", ordering="at")
    def taken(self, row: StateCopy) -> str:
        return at(row.at)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """With what this actor can do with a copy."""
        actor = actor_of(request)

        @admin.display(description="You can")
        def links(row: StateCopy) -> SafeString:
            return self._links(actor, row)

        return [*self.list_display, links]

    def _links(self, actor: Actor, row: StateCopy) -> SafeString:
        restore = reverse("admin:deployments_statecopy_restore", args=[row.pk])
        download = reverse("admin:deployments_statecopy_download", args=[row.pk])
        taking = format_html('<a class="op-btn is-small" href="{}">Download</a>', download)
        if refusal := why_not(actor, "recover", row.stack.environment.slug):
            text = '<button class="op-btn is-small" disabled title="{}">Download</button>'
            taking = format_html(text, refusal.text)
        # Which copy is the one before is looked up for one row, not for a page of them.
        compare = reverse("admin:deployments_statecopy_before", args=[row.pk])
        text = (
            '<a class="op-btn is-small" href="{}">Compare</a>'
            ' {} <a class="op-btn is-small" href="{}">Restore…</a>'
        )
        return format_html(text, compare, taking, restore)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "deployments_statecopy"
        own = [
            path("<int:pk>/difference/", wrap(self.compare_before), name=f"{name}_before"),
            path("<int:pk>/difference/<int:since>/", wrap(self.compare), name=f"{name}_difference"),
            path("<int:pk>/download/", wrap(with_refusals(self.download)), name=f"{name}_download"),
            path("<int:pk>/restore/", wrap(self.restore), name=f"{name}_restore"),
        ]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: int) -> StateCopy:
        rows = StateCopy.objects.visible_to(actor_of(request))
        row = rows.select_related("run", "stack__environment").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def compare_before(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Leads to the difference from the copy before; the first one is compared with itself."""
        older = previous(self.find(request, pk))
        since = pk if older is None else older
        return redirect("admin:deployments_statecopy_difference", pk, since)

    def compare(self, request: HttpRequest, pk: int, since: int) -> HttpResponse:
        second, first = self.find(request, pk), self.find(request, since)
        place = second.stack.environment
        if first.stack_id != second.stack_id:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"State {since} and {pk}",
            "environment": place,
            "first": first,
            "second": second,
            "plan": states.difference_of(first, second),
            "others": states.copies(place).defer("document")[:20],
        }
        return render(request, "deployments/states.html", context)

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The copy as a file, every secret masked."""
        slug = self.find(request, pk).stack.environment.slug
        found = services.read_state(actor_of(request), environment=slug, state=pk)
        return JsonResponse(
            found,
            json_dumps_params={"indent": 2},
            headers={"Content-Disposition": f'attachment; filename="{slug}-state-{pk}.json"'},
        )

    def restore(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)
        place = row.stack.environment

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            made = services.restore_state(
                actor, environment=place.slug, state=pk, reason=given.get("reason", "")
            )
            return reverse("admin:deployments_deployment_change", args=[made.pk])

        return confirm(request, to_restore(actor_of(request), row), place, act)


def previous(row: StateCopy) -> int | None:
    """The copy before it, of the same stack."""
    rows = StateCopy.objects.filter(stack_id=row.stack_id, pk__lt=row.pk).order_by("-pk")
    return rows.values_list("pk", flat=True).first()


def to_restore(actor: Actor, row: StateCopy) -> Confirmation:
    slug = row.stack.environment.slug
    return Confirmation(
        title=f"Restore the state of {slug} after run {row.run_id}?",
        sentence="This plans writing the copy over the state. Nothing changes yet: you see what the"
        " state would say otherwise, and confirm it by typing the name.",
        button=f"Plan restore of the state of {slug}",
        back=reverse("admin:environment", args=[slug]),
        lines=[
            ("", f"The copy holds {row.resources} records, taken {row.at:%Y-%m-%d %H:%M} UTC."),
            ("", "Only the state is written: no real thing is made, changed or removed."),
            ("", "What the state forgets goes on running, and nobody counts it any more."),
        ],
        ask_reason="Reason (kept with the deployment)",
        heading="Nothing is changed by planning",
        danger=True,
        blocked=why_not(actor, "recover", slug),
    )
