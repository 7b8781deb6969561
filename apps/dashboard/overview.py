"""Health, activity and metrics: three pages that look at everything and touch nothing."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

from django.db.models import Case, Q, When
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.api import actor_of
from apps.core.permissions import Actor
from apps.dashboard.figures import dora, targets
from apps.dashboard.places import WORST_FIRST
from apps.dashboard.uptime import Uptime, uptimes
from apps.dashboard.views import answer
from apps.environments.models import Environment
from apps.live.sequences import last_sequence
from apps.monitoring.choices import SEVERITIES, CheckKind, Health
from apps.monitoring.lanes import lanes
from apps.monitoring.models import AlertRoute, Check, Delivery, Incident, RoundTick

# A page shows the worst of an environment; the list has all of them.
MOST_CHECKS, MOST_INCIDENTS, MOST_LINES = 60, 50, 100
STRIP = (760, 18)


@dataclasses.dataclass(frozen=True)
class Group:
    """The checks of one environment, worst first, and how many more there are."""

    environment: Environment
    checks: list[Check]
    more: int


def health(request: HttpRequest) -> HttpResponse:
    """Open incidents, checks by environment from production down, uptime of 30 days."""
    actor = actor_of(request)
    places = list(Environment.objects.visible_to(actor).order_by("-rank"))
    show = request.GET.get("show", "")
    checks = list(Check.objects.visible_to(actor).defer("parameters", "memory"))
    enabled = [row for row in checks if row.is_enabled]
    wanted = [row for row in checks if _is_shown(row, show)]
    incidents = Incident.objects.visible_to(actor).open().select_related("environment")
    worst = [When(severity=name, then=number) for number, name in enumerate(SEVERITIES)]
    failing = Delivery.objects.visible_to(actor).filter(status="queued", attempts__gt=1)
    context = {
        "title": "Health",
        "well": sum(row.state == Health.HEALTHY for row in enabled),
        "watched": len(enabled),
        "paused": len(checks) - len(enabled),
        "incidents": list(incidents.order_by(Case(*worst).desc(), "pk")[:MOST_INCIDENTS]),
        "groups": grouped(places, wanted),
        "show": show,
        "kinds": CheckKind.choices,
        "uptimes": [(row, strip(row)) for row in uptimes(places)],
        "day": lanes(places),
        "pulse": RoundTick.objects.filter(name="probe").first(),
        "routes": AlertRoute.objects.visible_to(actor).filter(is_enabled=True).count(),
        "failing": failing.values("route").distinct().count(),
        "after": last_sequence(),
    }
    return answer(request, "monitoring/health.html", "monitoring/_health.html", context)


def _is_shown(row: Check, show: str) -> bool:
    if show == "attention":
        return row.is_enabled and row.state != Health.HEALTHY
    return not show or row.kind == show


def grouped(places: list[Environment], checks: list[Check]) -> list[Group]:
    """By environment, worst first in each; what is paused comes last."""
    by_place: dict[int, list[Check]] = defaultdict(list)
    for row in checks:
        by_place[row.environment_id].append(row)
    found = []
    for place in places:
        rows = by_place[place.pk]
        rows.sort(key=lambda row: (not row.is_enabled, WORST_FIRST.index(row.state), row.name))
        if rows:
            found.append(Group(place, rows[:MOST_CHECKS], max(0, len(rows) - MOST_CHECKS)))
    return found


def strip(row: Uptime) -> dict[str, Any]:
    """Bars of the days for the SVG, and the sentence that says what they show."""
    width, height = STRIP
    step = width / len(row.days)
    bars = []
    for number, down in enumerate(row.days):
        tone = "none" if down is None else "bad" if down else "ok"
        tall = height / 2 if down else height
        bars.append((tone, round(number * step, 1), height - tall, round(step - 3, 1), tall))
    bad = sum(bool(down) for down in row.days)
    days = f"{bad} day{'s' if bad != 1 else ''} with an outage" if bad else "no outage"
    unknown = sum(down is None for down in row.days)
    words = f"{row.environment.slug}: {days}" + (f", {unknown} days not watched" if unknown else "")
    return {"bars": bars, "words": words, "view": f"0 0 {width} {height}"}


def activity(request: HttpRequest) -> HttpResponse:
    """What was done, newest first, in environments that the person may see."""
    actor = actor_of(request)
    rows = _visible_events(actor)
    slug, before = request.GET.get("environment", ""), request.GET.get("before", "")
    if slug:
        rows = rows.filter(environment=slug)
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: MOST_LINES + 1])
    context = {
        "title": "Activity",
        "events": found[:MOST_LINES],
        "older": found[MOST_LINES - 1].pk if len(found) > MOST_LINES else None,
        "slug": slug,
        "places": Environment.objects.visible_to(actor),
        "after": last_sequence(),
    }
    return answer(request, "dashboard/activity.html", "dashboard/_events.html", context)


def _visible_events(actor: Actor) -> Any:
    slugs = actor.visible_environments()
    rows = AuditEvent.objects.all()
    return rows if slugs is None else rows.filter(Q(environment__in=slugs))


def metrics(request: HttpRequest) -> HttpResponse:
    """Uptime and error budget, DORA's four figures, the platform's targets."""
    actor = actor_of(request)
    places = list(Environment.objects.visible_to(actor).order_by("-rank"))
    context = {
        "title": "Metrics",
        "uptimes": [(row, strip(row)) for row in uptimes(places)],
        "dora": dora(actor),
        "targets": targets(actor),
        "now": timezone.now(),
        "after": last_sequence(),
    }
    return answer(request, "dashboard/metrics.html", "dashboard/_metrics.html", context)
