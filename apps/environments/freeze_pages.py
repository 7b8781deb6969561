"""Freezing an environment and lifting a freeze, in the admin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.errors import Refused
from apps.core.permissions import EVERYWHERE, Actor
from apps.environments.models import Environment, Freeze
from apps.environments.moments import in_field, moment
from apps.environments.recurrence import NO_HOURS
from apps.environments.services import freeze_environment, lift_freeze
from apps.environments.time_pages import HOURS, hours_of
from apps.environments.validation_page import environment_or_404

# What the field proposes; long enough for a night.
PROPOSED = timedelta(hours=12)
ALL = "all"


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("environments/<slug:slug>/freeze/", freeze_page, "freeze")
    site.page("environments/<slug:slug>/freeze/<int:pk>/lift/", lift_page, "freeze-lift")


def freeze_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        starts, ends, hours = given.get("starts_at", ""), given.get("ends_at", ""), hours_of(given)
        freeze_environment(
            actor,
            environment="" if given.get("where") == ALL else slug,
            reason=given.get("reason", ""),
            ends_at=moment(ends, "ends_at") if ends or not hours.begins else None,
            starts_at=moment(starts, "starts_at") if starts else None,
            hours=hours if hours.begins or hours.ends else NO_HOURS,
        )
        return back

    return confirm(request, to_freeze(actor_of(request), place, back), place, act)


def lift_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = Freeze.objects.visible_to(actor_of(request)).filter(pk=pk).first()
    if row is None or (row.environment_id or place.pk) != place.pk:
        raise Http404
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        lift_freeze(actor, freeze=pk, reason=given.get("reason", ""))
        return back

    return confirm(request, to_lift(actor_of(request), row, back), place, act)


def to_freeze(actor: Actor, place: Environment, back: str) -> Confirmation:
    until = in_field(timezone.now() + PROPOSED)
    return Confirmation(
        title=f"Freeze {place.slug}?",
        sentence="No change begins while it holds. One that is under way goes on to its end.",
        button=f"Freeze {place.slug}",
        back=back,
        lines=[
            ("", f"Deployments of {place.slug} can be planned and approved, and wait."),
            ("", "They start by themselves when the freeze ends or is lifted."),
        ],
        asks=[
            Ask(
                "reason", "Reason", required=True, help="Everybody who is stopped by it reads this."
            ),
            Ask("starts_at", "From, in UTC", kind="datetime-local", help="Empty: from now on."),
            Ask("ends_at", "Until, in UTC", value=until, kind="datetime-local"),
            Ask("where", "Where", choices=[(place.slug, place.slug), (ALL, "all environments")]),
            *HOURS,
        ],
        note="With hours it recurs every week, until its end or until somebody lifts it.",
        blocked=why_not(actor, "freeze", place.slug),
    )


def to_lift(actor: Actor, row: Freeze, back: str) -> Confirmation:
    slug = row.place
    over = row.lifted_at is not None or (row.ends_at is not None and row.ends_at <= timezone.now())
    blocked = why_not(actor, "freeze", row.environment.slug if row.environment else EVERYWHERE)
    if over:
        blocked = Refused("freeze.over", f"This freeze of {slug} is over already.")
    return Confirmation(
        title=f"Lift freeze of {slug}?",
        sentence=f"{row.created_by} set it {row.span_in_words()}: {row.reason}",
        button=f"Lift freeze of {slug}",
        back=back,
        lines=[("", f"Approved deployments of {slug} that wait for it start within seconds.")],
        ask_reason="Reason (kept in the record)",
        blocked=blocked,
    )
