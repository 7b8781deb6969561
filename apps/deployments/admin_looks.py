"""The history of looks for drift, of one environment or of all: what each found, by resource."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.templatetags.portal import at, duration, environment_tag, status
from apps.deployments.choices import Operation
from apps.deployments.drift import changes_of
from apps.deployments.models import DriftLook
from apps.deployments.runner.drift_watch import CORRECTION

SHOWN = 5


@admin.register(DriftLook)
class DriftLookAdmin(PortalModelAdmin):
    plural = "Looks for drift"
    list_display = ("number", "place", "shown_status", "found", "followed", "looked", "took")
    list_filter = (("stack__environment", VisibleFilter), "status")
    list_select_related = ("stack__environment", "deployment__environment")
    head = "What was found each time the real things were compared with what is declared."
    empty = "The portal looks on schedule while something is deployed."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(operation=Operation.DRIFT)

    @admin.display(description="Run", ordering="id")
    def number(self, row: DriftLook) -> int:
        return row.pk

    @admin.display(description="Environment", ordering="stack__environment__rank")
    def place(self, row: DriftLook) -> SafeString:
        return environment_tag(row.stack.environment)

    @admin.display(description="Status", ordering="status")
    def shown_status(self, row: DriftLook) -> SafeString:
        return status(row.state, plain=True)

    @admin.display(description="Drifted")
    def found(self, row: DriftLook) -> SafeString | str:
        changes = changes_of(row)
        if not changes:
            return "nothing" if row.status == "succeeded" else "not known"
        names = format_html_join(
            ", ",
            '<span title="{}">{} {}</span>',
            ((change["urn"], change["operation"], change["name"]) for change in changes[:SHOWN]),
        )
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        return format_html("{}{}", names, more)

    @admin.display(description="Followed by")
    def followed(self, row: DriftLook) -> str:
        verdict = row.parameters.get(CORRECTION)
        if verdict is None:
            return ""
        return "left to people: it drifted again" if verdict["held_back"] else "its correction"

    @admin.display(description="Looked", ordering="requested_at")
    def looked(self, row: DriftLook) -> SafeString:
        by = row.requested_by
        return format_html('{} <span class="op-quiet">by {}</span>', at(row.requested_at), by)

    @admin.display(description="Took")
    def took(self, row: DriftLook) -> str:
        if row.started_at is None or row.finished_at is None:
            return "not yet"
        return duration(row.finished_at - row.started_at)

    def change_view(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - see above
        extra_context: Any = None,  # noqa: ARG002 - see above
    ) -> HttpResponse:
        """A look is a run: its page is its log, event by event and resource by resource."""
        return HttpResponseRedirect(reverse("admin:deployments_run_change", args=[object_id]))
