"""The page of the last validation, and the button that makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.environments.choices import Finding
from apps.environments.lookup import find_environment
from apps.environments.models import Environment
from apps.environments.reports import newest_validation, shown_items
from apps.environments.services import validate_environment
from apps.environments.validation import sentence
from apps.live.sequences import last_sequence


def environment_or_404(request: HttpRequest, slug: str) -> Environment:
    try:
        return find_environment(actor_of(request), slug)
    except NotFound as error:
        raise Http404(error.detail) from error


def address_of(slug: str) -> str:
    return reverse("admin:environments_environment_validation", args=[slug])


def page(request: HttpRequest, slug: str, frame: Mapping[str, Any]) -> HttpResponse:
    """What the last validation found, or the part of the page that moved."""
    actor, place = actor_of(request), environment_or_404(request, slug)
    row = newest_validation(place.pk)
    items = shown_items(actor, row) if row else []
    context = {
        "environment": place,
        "row": row,
        "lines": [{**item, "state": Finding(item["status"])} for item in items],
        "sentence": sentence(item["status"] for item in items),
        "refusal": why_not(actor, "check", slug),
        "after": last_sequence(),
    }
    if request.GET.get("fragment"):
        return render(request, "environments/_validation.html", context)
    title = f"Validation of {slug}"
    return render(request, "environments/validation.html", {**frame, "title": title, **context})


def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """The page between the button and the verb."""
    place = environment_or_404(request, slug)

    def act(actor: Actor, _given: Mapping[str, str]) -> str:
        validate_environment(actor, environment=slug)
        return address_of(slug)

    asked = Confirmation(
        title=f"Validate {slug} now?",
        sentence="Settings, secrets, database, ports, engine, backend and clocks are looked at."
        " That takes up to some seconds.",
        button=f"Validate {slug}",
        back=address_of(slug),
        heading="Nothing is changed: it only reads",
        reading=True,
        blocked=why_not(actor_of(request), "check", slug),
    )
    return confirm(request, asked, place, act)
