"""Evidence and rejected revisions in the admin: lists, and the forms behind their buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin
from apps.core.api import actor_of
from apps.core.confirming import confirm
from apps.core.permissions import Actor
from apps.core.templatetags.portal import at, status
from apps.deployments import asking_revisions, services
from apps.deployments.models import Deployment, Evidence, RejectedRevision
from apps.deployments.naming import named_revision

Act = Callable[[Actor, Mapping[str, str]], str]


def deployment_or_404(request: HttpRequest, pk: int) -> Deployment:
    rows = Deployment.objects.visible_to(actor_of(request))
    row = rows.select_related("environment__protection").filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def page_of(deployment: int) -> str:
    return reverse("admin:deployments_deployment_change", args=[deployment])


def parts_of(row: Evidence | RejectedRevision) -> SafeString:
    """Commit and tree, short, whole in the title."""
    shown = ((part, part[:12]) for part in (row.commit, row.program_digest) if part)
    return format_html_join(" ", '<code title="{}">{}</code>', shown)


@admin.register(Evidence)
class EvidenceAdmin(PortalModelAdmin):
    list_display = ("kind", "shown_result", "revision", "who", "told_by", "found", "shown_link")
    list_filter = ("kind", "result")
    search_fields = ("commit", "program_digest", "who")
    search_help_text = "Commit, program tree or person"
    plural = "Evidence"
    head = "What people and programs found about revisions. The last word of each person counts."
    empty = "Report it from a deployment's page, or with POST /api/v1/evidence/."
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

    @admin.display(description="Result", ordering="result")
    def shown_result(self, row: Evidence) -> SafeString:
        return status(row.state, plain=True)

    @admin.display(description="Revision")
    def revision(self, row: Evidence) -> SafeString:
        return parts_of(row)

    @admin.display(description="Reported by")
    def told_by(self, row: Evidence) -> str:
        return "themselves" if row.reported_by == row.who else row.reported_by

    @admin.display(description="Found", ordering="at")
    def found(self, row: Evidence) -> str:
        return at(row.at)

    @admin.display(description="Link")
    def shown_link(self, row: Evidence) -> str:
        return row.link or "none"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = path("report/<int:pk>/", wrap(self.report), name="deployments_evidence_report")
        return [own, *super().get_urls()]

    def report(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = deployment_or_404(request, pk)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            services.report_evidence(
                actor,
                revision=named_revision(actor, deployment=pk),
                kind=given.get("kind", ""),
                result=given.get("result", ""),
                link=given.get("link", ""),
                comment=given.get("comment", ""),
            )
            return page_of(pk)

        page = asking_revisions.to_report(actor_of(request), row, page_of(pk))
        return confirm(request, page, None, act)


@admin.register(RejectedRevision)
class RejectedRevisionAdmin(PortalModelAdmin):
    list_display = ("revision", "shown_reason", "rejected_by", "rejected", "lifted", "lift_link")
    search_fields = ("commit", "program_digest", "reason")
    search_help_text = "Commit, program tree or reason"
    plural = "Rejected revisions"
    head = "Nobody deploys or promotes these anywhere until somebody lifts the rejection."
    empty = "Reject a revision from the page of a deployment that brought it."

    @admin.display(description="Revision")
    def revision(self, row: RejectedRevision) -> SafeString:
        return parts_of(row)

    @admin.display(description="Reason")
    def shown_reason(self, row: RejectedRevision) -> str:
        return row.reason

    @admin.display(description="Rejected", ordering="rejected_at")
    def rejected(self, row: RejectedRevision) -> str:
        return at(row.rejected_at)

    @admin.display(description="Lifted")
    def lifted(self, row: RejectedRevision) -> str:
        if row.stands:
            return "no, it holds"
        return format_html("{} by {}: {}", at(row.lifted_at), row.lifted_by, row.lift_reason)

    @admin.display(description="You can")
    def lift_link(self, row: RejectedRevision) -> str:
        if not row.stands:
            return ""
        place = reverse("admin:deployments_rejectedrevision_lift", args=[row.pk])
        return format_html('<a class="op-btn is-small" href="{}">Lift…</a>', place)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("reject/<int:pk>/", wrap(self.reject), name="deployments_rejectedrevision_reject"),
            path("<int:pk>/lift/", wrap(self.lift), name="deployments_rejectedrevision_lift"),
        ]
        return [*own, *super().get_urls()]

    def reject(self, request: HttpRequest, pk: int) -> HttpResponse:
        """`pk` is the deployment whose revision is meant."""
        row = deployment_or_404(request, pk)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            revision = named_revision(actor, deployment=pk)
            services.reject_revision(actor, revision=revision, reason=given.get("reason", ""))
            return page_of(pk)

        page = asking_revisions.to_reject(actor_of(request), row, page_of(pk))
        return confirm(request, page, None, act)

    def lift(self, request: HttpRequest, pk: int) -> HttpResponse:
        rows: Any = RejectedRevision.objects.visible_to(actor_of(request))
        row = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        back = reverse("admin:deployments_rejectedrevision_changelist")

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            services.lift_rejection(actor, rejection=pk, reason=given.get("reason", ""))
            return back

        return confirm(request, asking_revisions.to_lift(actor_of(request), row, back), None, act)
