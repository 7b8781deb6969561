"""Drift in the admin: what the last look found, and the pages before looking and deciding."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import confirm, why_not
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.deployments import asking_drift, services
from apps.deployments.choices import Operation
from apps.deployments.drift import Drift, changes_of, drift_of
from apps.deployments.models import Run
from apps.environments.models import Environment
from apps.environments.validation_page import environment_or_404
from apps.live.sequences import last_sequence

Given = Mapping[str, str]


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("environments/<slug:slug>/drift/", page, "drift")
    for verb, view in (("detect", detect), ("accept", accept), ("correct", correct)):
        site.page(f"environments/<slug:slug>/drift/{verb}/", view, f"drift-{verb}")


def page_of(deployment: int) -> str:
    return reverse("admin:deployments_deployment_change", args=[deployment])


def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The last look by resource and property, the looks before it, and what can be done."""
    place, actor = environment_or_404(request, slug), actor_of(request)
    found = drift_of(place)
    looks = Run.objects.filter(stack=place.stack, operation=Operation.DRIFT).order_by("-pk")[:20]
    context = {
        "title": f"Drift in {slug}",
        "environment": place,
        "drift": found,
        "looks": [(run, len(changes_of(run))) for run in looks],
        "deeds": deeds(actor, place, found),
        "after": last_sequence(),
    }
    if request.GET.get("fragment"):
        return render(request, "deployments/_drift.html", context)
    frame = admin.site.each_context(request)
    return render(request, "deployments/drift.html", {**frame, **context})


def deeds(
    actor: Actor, place: Environment, found: Drift
) -> list[tuple[str, str, PortalError | None]]:
    """Words, address and why not of each verb."""
    undecided = asking_drift.nothing_to_decide(found, place)
    verbs = (("detect", "check", None), ("accept", "deploy", undecided))
    return [
        (
            f"{verb.capitalize()} drift in {place.slug}…",
            f"admin:drift-{verb}",
            why_not(actor, right, place.slug) or refusal,
        )
        for verb, right, refusal in (*verbs, ("correct", "deploy", undecided))
    ]


def detect(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, _given: Given) -> str:
        run = services.request_drift(actor, environment=slug)
        return reverse("admin:deployments_run_log", args=[run.pk])

    return confirm(request, asking_drift.to_detect(actor_of(request), place), place, act)


def accept(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Given) -> str:
        row = services.accept_drift(actor, environment=slug, reason=given.get("reason", ""))
        return page_of(row.pk)

    return confirm(request, asking_drift.to_accept(actor_of(request), place), place, act)


def correct(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Given) -> str:
        row = services.correct_drift(actor, environment=slug, reason=given.get("reason", ""))
        return page_of(row.pk)

    return confirm(request, asking_drift.to_correct(actor_of(request), place), place, act)
