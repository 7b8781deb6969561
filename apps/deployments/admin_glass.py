"""Breaking the glass in the admin: the page before it, typed and with a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.errors import PortalError, Refused
from apps.core.permissions import Actor
from apps.deployments import approvals, asking, gates, services
from apps.deployments.choices import DeploymentStatus
from apps.deployments.models import Approval, Deployment


@dataclasses.dataclass(frozen=True)
class Glass:
    """What a deployment's page shows: whether it can be broken, why not, and who did."""

    offered: bool
    refusal: PortalError | None
    lacking: list[str]
    broken: list[Approval]


def register_pages() -> None:
    """Its address, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("break-glass/<int:pk>/", page, "break-glass")


def glass_of(actor: Actor, row: Deployment, shown: Mapping[str, Any]) -> Glass:
    """`shown` is the rest of the page: its approvals and gates are not asked for again."""
    missing = []
    if row.status == DeploymentStatus.AWAITING_APPROVAL:
        missing = _approvals(shown["approvals_needed"] - len(shown["approvals_given"]))
        missing += [gate["detail"] for gate in shown["blockers"]]
    return Glass(
        offered=bool(missing),
        refusal=why_not(actor, "break_glass", row.environment.slug) if missing else None,
        lacking=missing,
        broken=list(row.approvals.filter(break_glass=True)) if row.glass_broken else [],
    )


def _approvals(missing: int) -> list[str]:
    return [f"{missing} approval{'s' if missing > 1 else ''} by others"] if missing > 0 else []


def page(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Deployment.objects.visible_to(actor_of(request))
    row = rows.select_related("environment__protection").filter(pk=pk).first()
    if row is None:
        raise Http404
    back = reverse("admin:deployments_deployment_change", args=[pk])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.break_glass(
            actor,
            deployment=pk,
            fingerprint=given.get("fingerprint", ""),
            confirm=given.get("confirm", ""),
            reason=given.get("reason", ""),
        )
        return back

    return confirm(request, to_break(actor_of(request), row, back), row.environment, act)


def to_break(actor: Actor, row: Deployment, back: str) -> Confirmation:
    slug, summary = row.environment.slug, row.plan.get("summary") or {}
    closed = gates.blockers(row)
    lacking = _approvals(approvals.needed(row) - len(approvals.counting(row)))
    lacking += [gate.detail for gate in closed if not gate.lasting]
    blocked = why_not(actor, "break_glass", slug)
    if blocked is None and (lasting := [gate for gate in closed if gate.lasting]):
        blocked = Refused(lasting[0].code, lasting[0].detail)
    return Confirmation(
        title=f"Break the glass of deployment {row.pk}?",
        sentence=f"It changes {slug} now, without: {'; '.join(lacking) or 'nothing'}.",
        button=f"Break the glass and apply to {slug}",
        back=back,
        lines=asking.lines_of(row),
        summary={name: count for name, count in summary.items() if name != "same"},
        note="Every admin is told by e-mail and on every page, and it stays red in the history for"
        " ever. The fingerprint still holds: if the plan moved, nothing is changed.",
        typed=slug,
        asks=[Ask("reason", "Why it cannot wait", long=True, required=True)],
        danger=True,
        hidden={"fingerprint": row.fingerprint},
        blocked=blocked,
    )
