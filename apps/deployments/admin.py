"""Deployments and runs in the admin: lists, pages, and verbs behind confirmation pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import View, confirm
from apps.core.permissions import Actor
from apps.core.templatetags.portal import (
    at,
    commit,
    duration,
    environment_tag,
    glass_mark,
    status,
)
from apps.deployments import asking, line_page, picture, services
from apps.deployments.admin_glass import glass_of
from apps.deployments.admin_promotion import promote
from apps.deployments.admin_recovery import adoption_page, step_page
from apps.deployments.admin_revisions import EvidenceAdmin, RejectedRevisionAdmin
from apps.deployments.admin_rollback import HoldAdmin
from apps.deployments.admin_states import StateCopyAdmin
from apps.deployments.log_page import log_page
from apps.deployments.models import Deployment, Run
from apps.environments.validation_page import environment_or_404
from apps.live.sequences import last_sequence

__all__ = [
    "DeploymentAdmin",
    "EvidenceAdmin",
    "HoldAdmin",
    "RejectedRevisionAdmin",
    "RunAdmin",
    "StateCopyAdmin",
]
NOT_YET = format_html('<span class="op-quiet">{}</span>', "not yet")


def page_of(deployment: int) -> str:
    return reverse("admin:deployments_deployment_change", args=[deployment])


@admin.register(Deployment)
class DeploymentAdmin(PortalModelAdmin):
    """The list is stock; the page of one is ours."""

    list_display = (
        "number",
        "place",
        "shown_status",
        "revision_tag",
        "changes",
        "requested",
        "took",
    )
    list_filter = (("environment", VisibleFilter), "status", "kind")
    list_select_related = ("environment",)
    search_fields = ("=id", "reason", "requested_by")
    search_help_text = "Number, reason or person"
    empty = "Deploy an environment from its page."

    @admin.display(description="Deployment", ordering="id")
    def number(self, row: Deployment) -> str:
        return f"{row.pk} {row.kind}"

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Deployment) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="Status", ordering="status")
    def shown_status(self, row: Deployment) -> SafeString:
        return status(row.state, plain=True) + glass_mark(row)

    @admin.display(description="Revision")
    def revision_tag(self, row: Deployment) -> SafeString:
        short = commit(row.revision.get("commit", ""))
        return format_html(
            '<span title="{}"><code>{}</code> {}</span>', row.reason, short, row.reason
        )

    @admin.display(description="Changes")
    def changes(self, row: Deployment) -> SafeString:
        return render_to_string("deployments/_counts.html", {"plan": row.plan})

    @admin.display(description="Requested", ordering="requested_at")
    def requested(self, row: Deployment) -> SafeString:
        by = row.requested_by
        return format_html('{} <span class="op-quiet">by {}</span>', at(row.requested_at), by)

    @admin.display(description="Took")
    def took(self, row: Deployment) -> str:
        return duration(row.finished_at - row.requested_at) if row.finished_at else NOT_YET

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        badges = picture.open_counts(actor_of(request))
        return super().changelist_view(request, {"badges": badges, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        named: list[tuple[str, View, str]] = [
            ("deploy/<slug:slug>/", self.deploy, "deploy"),
            ("destroy/<slug:slug>/", self.destroy, "destroy"),
            ("promote/<slug:source>/<slug:slug>/", promote, "promote"),
            ("<int:pk>/apply/", self.apply, "apply"),
            ("<int:pk>/reject/", self.reject, "reject"),
            ("<int:pk>/cancel/", self.cancel, "cancel"),
            ("<int:pk>/supersede/", self.supersede, "supersede"),
            ("<int:pk>/replan/", self.replan, "replan"),
            ("<int:pk>/recover/", self.recover, "recover"),
            ("<int:pk>/recovery/adopt-pending-creates/", adoption_page, "adopt"),
            ("<int:pk>/recovery/<slug:step>/", step_page, "recovery_step"),
        ]
        wrap = self.admin_site.admin_view
        own = [path(r, wrap(v), name=f"deployments_deployment_{n}") for r, v, n in named]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: Any) -> Deployment:
        rows = Deployment.objects.visible_to(actor_of(request))
        row = rows.select_related("environment__protection").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The deployment's page, or the part of it that moved."""
        if not object_id.isdigit():
            raise Http404
        row = self.find(request, int(object_id))
        context = picture.context(actor_of(request), row)
        context["glass"] = glass_of(actor_of(request), row, context)
        context["after"] = last_sequence()
        if request.GET.get("fragment"):
            return render(request, "deployments/_page.html", context)
        frame = self.admin_site.each_context(request)
        return render(request, "deployments/page.html", {**frame, "title": str(row), **context})

    def deploy(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self._request(request, slug, "deploy")

    def destroy(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self._request(request, slug, "destroy")

    def _request(self, request: HttpRequest, slug: str, kind: str) -> HttpResponse:
        place = environment_or_404(request, slug)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            reason = given.get("reason", "")
            row = services.request_deployment(actor, environment=slug, kind=kind, reason=reason)
            return page_of(row.pk)

        return confirm(request, asking.to_plan(actor_of(request), place, kind), place, act)

    def apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            services.approve_deployment(
                actor,
                deployment=pk,
                fingerprint=given.get("fingerprint", ""),
                confirm=given.get("confirm", ""),
                comment=given.get("reason", ""),
            )
            return page_of(pk)

        page = asking.to_apply(actor_of(request), row, page_of(pk))
        return confirm(request, page, row.environment, act)

    def reject(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            services.reject_deployment(
                actor,
                deployment=pk,
                fingerprint=given.get("fingerprint", ""),
                comment=given.get("reason", ""),
            )
            return page_of(pk)

        page = asking.to_reject(actor_of(request), row, page_of(pk))
        return confirm(request, page, row.environment, act)

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.cancel_deployment(actor, deployment=pk)
            return page_of(pk)

        page = asking.to_cancel(actor_of(request), row, page_of(pk))
        return confirm(request, page, row.environment, act)

    def supersede(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, given: Mapping[str, str]) -> str:
            number = given.get("successor", "")
            successor = int(number) if number.isdigit() else None
            services.supersede_deployment(actor, deployment=pk, successor=successor)
            return page_of(pk)

        return confirm(request, line_page.to_supersede(row, page_of(pk)), row.environment, act)

    def replan(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            return page_of(services.replan_deployment(actor, deployment=pk).pk)

        page = asking.to_replan(actor_of(request), row, page_of(pk))
        return confirm(request, page, row.environment, act)

    def recover(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.find(request, pk)

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            return page_of(services.recover_deployment(actor, deployment=pk).pk)

        page = asking.to_recover(actor_of(request), row, page_of(pk))
        return confirm(request, page, row.environment, act)


@admin.register(Run)
class RunAdmin(PortalModelAdmin):
    """Runs and their logs."""

    list_display = ("number", "place", "shown_status", "deployment", "engine", "requested", "took")
    list_filter = (("stack__environment", VisibleFilter), "status", "operation")
    list_select_related = ("stack__environment", "deployment__environment")
    head = "One engine operation on one stack."
    empty = "A run comes with every deployment."

    @admin.display(description="Run", ordering="id")
    def number(self, row: Run) -> str:
        return f"{row.pk} {row.operation}"

    @admin.display(description="Environment", ordering="stack__environment__rank")
    def place(self, row: Run) -> SafeString:
        return environment_tag(row.stack.environment)

    @admin.display(description="Status", ordering="status")
    def shown_status(self, row: Run) -> SafeString:
        return status(row.state, plain=True)

    @admin.display(description="Engine")
    def engine(self, row: Run) -> str:
        return f"{row.engine_name} {row.engine_version}".strip() or "not known"

    @admin.display(description="Requested", ordering="requested_at")
    def requested(self, row: Run) -> SafeString:
        by = row.requested_by
        return format_html('{} <span class="op-quiet">by {}</span>', at(row.requested_at), by)

    @admin.display(description="Took")
    def took(self, row: Run) -> str:
        if row.started_at is None or row.finished_at is None:
            return NOT_YET
        return duration(row.finished_at - row.started_at)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/log/", wrap(self.log), name="deployments_run_log"),
            path("<int:pk>/cancel/", wrap(self.cancel), name="deployments_run_cancel"),
        ]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest, pk: int) -> Run:
        rows = Run.objects.visible_to(actor_of(request)).select_related("stack__environment")
        run = rows.filter(pk=pk).first()
        if run is None:
            raise Http404
        return run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A run's page is its log."""
        if not object_id.isdigit():
            raise Http404
        return self.log(request, int(object_id))

    def log(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.find(request, pk)
        context = log_page(actor_of(request), run, request.GET.dict())
        if request.GET.get("fragment"):
            return render(request, "deployments/_log.html", context)
        frame = self.admin_site.each_context(request)
        return render(request, "deployments/log.html", {**frame, **context})

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.find(request, pk)
        back = reverse("admin:deployments_run_log", args=[pk])

        def act(actor: Actor, _given: Mapping[str, str]) -> str:
            services.cancel_run(actor, run=pk)
            return back

        page = asking.to_cancel_run(actor_of(request), run, back)
        return confirm(request, page, run.stack.environment, act)
