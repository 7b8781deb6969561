"""Home and environment. They look, and never touch: every button leads to another app's verb."""

from __future__ import annotations

import socket
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.api import actor_of
from apps.dashboard import framing, panels, rules_panel, times_panel
from apps.dashboard.promoting import promotion_deeds
from apps.deployments.states import copies
from apps.environments.models import Environment
from apps.environments.times import standing_stop
from apps.live.sequences import last_sequence

DRIFT_VERBS = ("detect", "accept", "correct")

OVERVIEW = (
    ("admin:health", "Health"),
    ("admin:activity", "Activity"),
    ("admin:metrics", "Metrics"),
)


def installation() -> str:
    """`ops-1 · embedded`."""
    embedded = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    return f"{socket.gethostname().split('.')[0]} · {'embedded' if embedded else 'scaled'}"


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page shows; the login page names the environments, no more."""
    rows = Environment.objects.all()
    if not request.user.is_authenticated:
        return {"frame_places": framing.named(rows)[0], "installation": installation()}
    return {
        **framing.counts(actor_of(request)),
        "installation": installation(),
        "stopped": standing_stop(),
        "overview": OVERVIEW,
    }


def frame_page(request: HttpRequest) -> HttpResponse:
    """The counts alone, for a page whose stream says that something moved."""
    return render(request, "core/frame.html", framing.counts(actor_of(request)))


def home(request: HttpRequest) -> HttpResponse:
    """What is where, whether it is well, and what to do next."""
    actor = actor_of(request)
    found = panels.places(actor)
    needs = panels.needs_a_person(actor)
    bad = panels.trouble(actor, panels.MOST_NEEDS - len(needs))
    title, sentence = panels.headline(found, needs, bad)
    context = {
        "is_home": True,
        "held_places": times_panel.of_home([place.environment for place in found]),
        "headline": title,
        "sentence": sentence,
        "places": found,
        "needs": needs,
        "trouble": bad,
        "recent": panels.recent(actor),
        "servers": panels.matrix_of_servers(found),
        "after": last_sequence(),
    }
    return answer(request, "dashboard/home.html", "dashboard/_home.html", context)


def environment_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One environment: facts, what it holds, what you can do and why not, protection."""
    actor = actor_of(request)
    found = panels.places(actor, slug)
    if not found:
        raise Http404
    place = found[0]
    links = {
        name: reverse(f"admin:deployments_deployment_{name}", args=[slug])
        for name in ("deploy", "destroy")
    } | {
        "roll_back": reverse("admin:deployments_rollback", args=[slug]),
        "check": reverse("admin:monitoring_check_environment", args=[slug]),
        "validate": reverse("admin:environments_environment_validate", args=[slug]),
        "freeze": reverse("admin:freeze", args=[slug]),
        **{f"{verb}_drift": reverse(f"admin:drift-{verb}", args=[slug]) for verb in DRIFT_VERBS},
    }
    times = times_panel.of_environment(place.environment)
    freezes = times["freezes"]
    links |= times_panel.links(slug)
    if place.environment.is_production:
        del links["lifetime"]
    if freezes:
        links["lift_freeze"] = reverse("admin:freeze-lift", args=[slug, freezes[0].pk])
    context = {
        "title": slug,
        "environment": place.environment,
        "place": place,
        "band_facts": panels.band_facts(place),
        "roles": ", ".join(sorted(actor.roles_in(slug))),
        "deeds": [
            *panels.deeds(actor, place, links),
            *promotion_deeds(actor, place.environment),
        ],
        **times,
        "holds": list(place.environment.holds.standing()),
        "states": list(copies(place.environment).defer("document")[:5]),
        "deployments": place.latest,
        **rules_panel.of_environment(actor, place.environment),
        "ports": list(place.environment.ports.all()),
        "activity": panels.activity(actor, slug),
        "after": last_sequence(),
    }
    return answer(request, "environments/page.html", "environments/_page.html", context)


def answer(
    request: HttpRequest, template: str, fragment: str, context: dict[str, Any]
) -> HttpResponse:
    """The whole page, or only the part that moves when the browser asks for it."""
    if request.GET.get("fragment"):
        return render(request, fragment, context)
    return render(request, template, {**admin.site.each_context(request), **context})
