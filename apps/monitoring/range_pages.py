"""The pages before a range is opened to the checks of an environment, or closed again."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.permissions import Actor
from apps.environments.validation_page import environment_or_404
from apps.monitoring.models import AllowedRange
from apps.monitoring.services import allow_range, withdraw_range

RIGHT = "manage_access"


def back() -> str:
    return reverse("admin:monitoring_allowedrange_changelist")


def allow(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Given) -> str:
        allow_range(
            actor,
            environment=slug,
            network=given.get("network", "").strip(),
            reason=given.get("reason", ""),
            ports=_ports(given.get("ports", "")),
        )
        return back()

    first = not AllowedRange.objects.filter(environment=place).exists()
    lines = ["Metadata, link-local, multicast and reserved addresses stay closed, always."]
    if first:
        lines.append("It is the first of its own: those of the installation no longer hold here.")
    page = Confirmation(
        title=f"Let the checks of {slug} reach a range?",
        sentence="Checks reach public addresses only; what is not public is opened by name.",
        button=f"Allow the range in {slug}",
        back=back(),
        lines=[("", line) for line in lines],
        asks=[
            Ask("network", "Network", required=True, help="As 10.0.0.0/8; host bits are zero."),
            Ask("ports", "Ports", help="Up to 50, as 80 443; empty: all of them."),
            Ask("reason", "Reason", required=True, help="Kept with it and in the record."),
        ],
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, place, act)


def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    rows = AllowedRange.objects.visible_to(actor_of(request)).select_related("environment")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    slug = row.environment.slug

    def act(actor: Actor, _given: Given) -> str:
        withdraw_range(actor, range_id=pk)
        return back()

    last = AllowedRange.objects.filter(environment=row.environment).count() == 1
    after = (
        "It is the last of its own: those of the installation hold here again."
        if last
        else "Checks that look there are refused from the next look on."
    )
    page = Confirmation(
        title=f"Withdraw {row.network} from {slug}?",
        sentence=f"Its reason: {row.reason}",
        button=f"Withdraw {row.network} from {slug}",
        back=back(),
        lines=[("", after)],
        danger=True,
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, row.environment, act)


def _ports(text: str) -> list[int]:
    """What is no number becomes port 0, which the verb refuses."""
    return [
        int(part) if part.isdecimal() and len(part) <= len("65535") else 0
        for part in text.replace(",", " ").split()
    ]
