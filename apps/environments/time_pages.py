"""The stop of the line, windows and named locks in the admin: a confirmation page for each verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.permissions import EVERYWHERE, Actor
from apps.environments import services
from apps.environments.models import Environment, Freeze, NamedLock, Window
from apps.environments.moments import in_field, moment
from apps.environments.recurrence import NAMES, Hours
from apps.environments.times import standing_stop
from apps.environments.validation_page import environment_or_404

PROPOSED = timedelta(hours=2)
WHY = Ask("reason", "Reason", required=True, help="Everybody who is kept waiting reads this.")
KEPT = Ask("reason", "Reason", required=True, help="Kept in the record.")
# Of what stands: `reason` is its own, as in the API.
CHANGED = Ask("why", "Why you change it", required=True, help="Kept in the record.")
HOURS = (
    Ask("begins", "From, local time", help="As 22:00."),
    Ask("ends", "Until, local time", help="Not after the beginning: on the next day."),
    Ask("weekdays", "Weekdays", help="As mon, tue. Empty: every day."),
    Ask("zone", "Time zone", value="UTC", help="An IANA name such as Europe/Berlin."),
)


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("line/stop/", stop_page, "line-stop")
    site.page("line/lift/", lift_page, "line-lift")
    for route, view, name in (
        ("window/", window_page, "window"),
        ("window/<int:pk>/edit/", edit_window_page, "window-edit"),
        ("window/<int:pk>/end/", end_window_page, "window-end"),
        ("lock/", lock_page, "lock"),
        ("lock/<int:pk>/release/", release_page, "lock-release"),
        ("freeze/<int:pk>/edit/", edit_freeze_page, "freeze-edit"),
    ):
        site.page(f"environments/<slug:slug>/{route}", view, name)


def hours_of(given: Mapping[str, str]) -> Hours:
    """The four fields of a page as the verbs take them."""
    return Hours(
        given.get("begins", "").strip(),
        given.get("ends", "").strip(),
        given.get("weekdays", "").replace(",", " ").split(),
        given.get("zone", "").strip() or "UTC",
    )


def stop_page(request: HttpRequest) -> HttpResponse:
    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.stop_the_line(actor, reason=given.get("reason", ""))
        return reverse("admin:index")

    page = Confirmation(
        title="Stop the line?",
        sentence="No run that changes anything begins in any environment until somebody lifts the"
        " stop. What is under way goes on to its end.",
        button="Stop the line in all environments",
        back=reverse("admin:index"),
        lines=[
            ("", "Previews and drift runs go on: they only read."),
            ("", "Approved deployments wait, and start by themselves when it is lifted."),
        ],
        asks=[WHY],
        danger=True,
        blocked=why_not(actor_of(request), "stop_the_line", EVERYWHERE),
    )
    return confirm(request, page, None, act)


def lift_page(request: HttpRequest) -> HttpResponse:
    row = standing_stop()

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.lift_stop(actor, reason=given.get("reason", ""))
        return reverse("admin:index")

    told = f"{row.stopped_by} stopped it: {row.reason}" if row else "The line is not stopped."
    page = Confirmation(
        title="Lift the stop of the line?",
        sentence=told,
        button="Lift the stop in all environments",
        back=reverse("admin:index"),
        lines=[("", "Approved deployments that wait for it start within seconds.")],
        asks=[KEPT],
        blocked=why_not(actor_of(request), "freeze", EVERYWHERE),
    )
    return confirm(request, page, None, act)


def window_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.add_window(
            actor, environment=slug, hours=hours_of(given), reason=given.get("reason", "")
        )
        return back

    page = Confirmation(
        title=f"Add a window to {slug}?",
        sentence=f"Changes of {slug} begin only inside its windows.",
        button=f"Add window to {slug}",
        back=back,
        lines=[("", "Outside of all of them what is approved waits, and starts when one opens.")],
        asks=[WHY, *HOURS],
        blocked=why_not(actor_of(request), "freeze", slug),
    )
    return confirm(request, page, place, act)


def edit_window_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place, row = _window(request, slug, pk)
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.edit_window(actor, window=pk, hours=hours_of(given), why=given.get("why", ""))
        return back

    page = Confirmation(
        title=f"Change window {pk} of {row.place}?",
        sentence=f"Now: {row.in_words()} ({row.reason}).",
        button=f"Change window {pk}",
        back=back,
        asks=[CHANGED, *_hours_now(row)],
        blocked=why_not(actor_of(request), "freeze", _scope(row)),
    )
    return confirm(request, page, place, act)


def end_window_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place, row = _window(request, slug, pk)
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.end_window(actor, window=pk, reason=given.get("reason", ""))
        return back

    page = Confirmation(
        title=f"Take window {pk} of {row.place} away?",
        sentence=f"{row.in_words()}, by {row.created_by}: {row.reason}",
        button=f"Take window {pk} away",
        back=back,
        lines=[("", "Without any window, changes begin at all times.")],
        ask_reason="Reason (kept in the record)",
        blocked=why_not(actor_of(request), "freeze", _scope(row)),
    )
    return confirm(request, page, place, act)


def lock_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.lock_environment(
            actor,
            environment=slug,
            name=given.get("name", ""),
            reason=given.get("reason", ""),
            expires_at=moment(given.get("expires_at", ""), "expires_at"),
        )
        return back

    until = in_field(timezone.now() + PROPOSED)
    page = Confirmation(
        title=f"Lock {slug}?",
        sentence=f"Until it expires or is released, only your own deployments of {slug} begin.",
        button=f"Lock {slug}",
        back=back,
        lines=[("", "What others have approved waits, and starts by itself then.")],
        asks=[
            Ask("name", "Name of the lock", value="repair", required=True),
            WHY,
            Ask("expires_at", "Until, in UTC", value=until, kind="datetime-local", required=True),
        ],
        blocked=why_not(actor_of(request), "deploy", slug),
    )
    return confirm(request, page, place, act)


def release_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = NamedLock.objects.filter(environment=place, pk=pk).first()
    if row is None:
        raise Http404
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        services.unlock_environment(actor, lock=pk, reason=given.get("reason", ""))
        return back

    page = Confirmation(
        title=f"Release lock {row.name} of {slug}?",
        sentence=f"{row.owner} took it until {row.expires_at:%Y-%m-%d %H:%M} UTC: {row.reason}",
        button=f"Release lock {row.name} of {slug}",
        back=back,
        ask_reason="Reason (kept in the record)",
    )
    return confirm(request, page, place, act)


def edit_freeze_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = Freeze.objects.visible_to(actor_of(request)).filter(pk=pk).first()
    if row is None or (row.environment_id or place.pk) != place.pk:
        raise Http404
    back = reverse("admin:environment", args=[slug])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        end = given.get("ends_at", "")
        services.edit_freeze(
            actor,
            freeze=pk,
            reason=given.get("reason", ""),
            ends_at=moment(end, "ends_at") if end else None,
            why=given.get("why", ""),
        )
        return back

    until = in_field(row.ends_at) if row.ends_at else ""
    page = Confirmation(
        title=f"Change freeze {pk} of {row.place}?",
        sentence=f"Now: {row.span_in_words()}, by {row.created_by}.",
        button=f"Change freeze {pk}",
        back=back,
        asks=[
            Ask("reason", "What everybody who is stopped reads", value=row.reason),
            Ask("ends_at", "Until, in UTC", value=until, kind="datetime-local"),
            CHANGED,
        ],
        blocked=why_not(actor_of(request), "freeze", _scope(row)),
    )
    return confirm(request, page, place, act)


def _hours_now(row: Window) -> list[Ask]:
    """The four fields, filled in with what holds."""
    rule = row.rule
    if rule is None:
        return list(HOURS)
    days = ", ".join(NAMES[day] for day in sorted(rule.weekdays))
    now = (f"{rule.begins:%H:%M}", f"{rule.ends:%H:%M}", days, rule.zone)
    return [replace(ask, value=value) for ask, value in zip(HOURS, now, strict=True)]


def _window(request: HttpRequest, slug: str, pk: int) -> tuple[Environment, Window]:
    place = environment_or_404(request, slug)
    row = Window.objects.visible_to(actor_of(request)).filter(pk=pk).first()
    if row is None or (row.environment_id or place.pk) != place.pk:
        raise Http404
    return place, row


def _scope(row: Freeze | Window) -> str:
    return row.environment.slug if row.environment else EVERYWHERE
