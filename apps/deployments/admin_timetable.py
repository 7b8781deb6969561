"""Schedules, their moments and lifetimes in the admin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import PortalAdminSite, PortalModelAdmin, VisibleFilter
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.permissions import Actor
from apps.core.templatetags.portal import at, environment_tag
from apps.deployments import services
from apps.deployments.models import Firing, Lifetime, Schedule
from apps.deployments.services.timetabling import Timing
from apps.environments.models import Environment
from apps.environments.moments import in_field, moment
from apps.environments.validation_page import environment_or_404

Given = Mapping[str, str]
WEEK = timedelta(days=7)
YES = "yes"


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    for route, view, name in (
        ("schedule/", schedule_page, "schedule"),
        ("schedule/<int:pk>/pause/", pause_page, "schedule-pause"),
        ("schedule/<int:pk>/end/", end_page, "schedule-end"),
        ("lifetime/", lifetime_page, "lifetime"),
        ("lifetime/clear/", clear_page, "lifetime-clear"),
    ):
        site.page(f"environments/<slug:slug>/{route}", view, name)


def back_to(slug: str) -> str:
    return reverse("admin:environment", args=[slug])


@admin.register(Schedule)
class ScheduleAdmin(PortalModelAdmin):
    list_display = ("name", "place", "when", "next", "policy", "created_by", "deeds")
    list_filter = (("environment", VisibleFilter),)
    list_select_related = ("environment",)
    head = "Deployments at a time, once or by cron."
    empty = "Schedule a deployment on an environment's page."

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Schedule) -> SafeString:
        return environment_tag(row.environment)

    @admin.display(description="When")
    def when(self, row: Schedule) -> str:
        return f"{row.cron} {row.zone}" if row.cron else "once"

    @admin.display(description="Next", ordering="next_at")
    def next(self, row: Schedule) -> str:
        if row.ended_at:
            return "ended"
        return "paused" if row.paused_at else at(row.next_at) if row.next_at else "fired"

    @admin.display(description="When missed")
    def policy(self, row: Schedule) -> str:
        return f"made up within {row.late_minutes} min, else skipped"

    @admin.display(description="You can")
    def deeds(self, row: Schedule) -> SafeString | str:
        if row.ended_at:
            return ""
        slug, word = row.environment.slug, "Resume…" if row.paused_at else "Pause…"
        links = (("schedule-pause", word), ("schedule-end", "End…"))
        found = [(reverse(f"admin:{name}", args=[slug, row.pk]), text) for name, text in links]
        return format_html('<a href="{}">{}</a> <a href="{}">{}</a>', *found[0], *found[1])


@admin.register(Firing)
class FiringAdmin(PortalModelAdmin):
    visible_by = "environment__slug"
    list_display = ("due", "schedule", "place", "outcome", "detail", "deployment")
    list_filter = (("environment", VisibleFilter), "outcome")
    list_select_related = ("schedule", "environment", "deployment__environment")
    head = "What became of each moment of a schedule."
    empty = "No schedule has fired yet."

    @admin.display(description="Due", ordering="due_at")
    def due(self, row: Firing) -> str:
        return at(row.due_at)

    @admin.display(description="Environment", ordering="environment__rank")
    def place(self, row: Firing) -> SafeString:
        return environment_tag(row.environment)


def schedule_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Given) -> str:
        once, late = given.get("at", ""), given.get("late_minutes", "")
        timing = Timing(
            at=moment(once, "at") if once else None,
            cron=given.get("cron", ""),
            zone=given.get("zone", "").strip() or "UTC",
            late_minutes=int(late) if late.isdigit() else -1,
        )
        services.schedule_deployment(
            actor,
            environment=slug,
            name=given.get("name", ""),
            timing=timing,
            reason=given.get("reason", ""),
            unattended=given.get("unattended") == YES,
        )
        return back_to(slug)

    page = Confirmation(
        title=f"Schedule a deployment of {slug}?",
        sentence="It is requested then, with the rights that you have then.",
        button=f"Schedule deployment of {slug}",
        back=back_to(slug),
        asks=[
            Ask("name", "Name", required=True),
            Ask("reason", "Reason", required=True, help="Kept with each deployment."),
            Ask("at", "Once at, in UTC", kind="datetime-local"),
            Ask("cron", "Or by cron", help="Minute, hour, day, month, weekday: 30 2 * * mon-fri"),
            Ask("zone", "Time zone of the cron", value="UTC", help="As Europe/Berlin."),
            Ask("late_minutes", "Made up within minutes", value="15", kind="number"),
            Ask(
                "unattended",
                "Its plan",
                choices=[("", "waits for a person"), (YES, "applies itself")],
            ),
        ],
        note="Where approval is asked for, and in production, people decide as always.",
        blocked=why_not(actor_of(request), "deploy", slug),
    )
    return confirm(request, page, place, act)


def pause_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place, row = _schedule(request, slug, pk)
    word = "Resume" if row.paused_at else "Pause"

    def act(actor: Actor, _given: Given) -> str:
        services.pause_schedule(actor, schedule=pk, paused=row.paused_at is None)
        return back_to(slug)

    page = Confirmation(
        title=f"{word} schedule {row.name} of {slug}?",
        sentence=f"{row.created_by} made it: {row.reason}",
        button=f"{word} schedule {row.name}",
        back=back_to(slug),
        lines=[("", "What is missed meanwhile is not made up.")],
        blocked=why_not(actor_of(request), "deploy", slug),
    )
    return confirm(request, page, place, act)


def end_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    place, row = _schedule(request, slug, pk)

    def act(actor: Actor, _given: Given) -> str:
        services.end_schedule(actor, schedule=pk)
        return back_to(slug)

    page = Confirmation(
        title=f"End schedule {row.name} of {slug}?",
        sentence=f"{row.created_by} made it: {row.reason}. It never fires again.",
        button=f"End schedule {row.name}",
        back=back_to(slug),
        blocked=why_not(actor_of(request), "deploy", slug),
    )
    return confirm(request, page, place, act)


def lifetime_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = Lifetime.objects.filter(environment=place, ended_at=None).first()

    def act(actor: Actor, given: Given) -> str:
        ends = moment(given.get("ends_at", ""), "ends_at")
        services.set_lifetime(actor, environment=slug, ends_at=ends, reason=given.get("reason", ""))
        return back_to(slug)

    until = in_field((row.ends_at if row else timezone.now()) + WEEK)
    page = Confirmation(
        title=f"Let {slug} live longer?" if row else f"Give {slug} an end?",
        sentence=f"It ends at {row.ends_at:%Y-%m-%d %H:%M} UTC now, set by {row.set_by}."
        if row
        else f"At that moment the destruction of {slug} is planned and applied.",
        button=f"Let {slug} live until then",
        back=back_to(slug),
        lines=[("", "It is warned of a day and an hour before, by mail and here.")],
        asks=[
            Ask("ends_at", "Until, in UTC", value=until, kind="datetime-local", required=True),
            Ask("reason", "Reason", required=True, value=row.reason if row else ""),
        ],
        typed="" if row else slug,
        danger=row is None,
        blocked=why_not(actor_of(request), "destroy", slug),
    )
    return confirm(request, page, place, act)


def clear_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, _given: Given) -> str:
        services.clear_lifetime(actor, environment=slug)
        return back_to(slug)

    page = Confirmation(
        title=f"Let {slug} live on without an end?",
        sentence="Nothing destroys it by the clock any more.",
        button=f"Let {slug} live on",
        back=back_to(slug),
        blocked=why_not(actor_of(request), "destroy", slug),
    )
    return confirm(request, page, place, act)


def _schedule(request: HttpRequest, slug: str, pk: int) -> tuple[Environment, Schedule]:
    place = environment_or_404(request, slug)
    row = Schedule.objects.filter(environment=place, pk=pk).first()
    if row is None:
        raise Http404
    return place, row
