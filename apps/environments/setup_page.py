"""The page of the last look at the installation, and the buttons that make a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.choices import Finding
from apps.environments.reports import newest_setup_check, shown_items
from apps.environments.services import check_setup
from apps.environments.validation import sentence
from apps.live.sequences import last_sequence


def page(request: HttpRequest, frame: Mapping[str, Any]) -> HttpResponse:
    actor = actor_of(request)
    check(actor, "view")
    row = newest_setup_check()
    items = shown_items(actor, row) if row else []
    context = {
        "row": row,
        "lines": [{**item, "state": Finding(item["status"])} for item in items],
        "sentence": sentence(item["status"] for item in items),
        "refusal": why_not(actor, "check", EVERYWHERE),
        "after": last_sequence(),
    }
    if request.GET.get("fragment"):
        return render(request, "environments/_setup.html", context)
    title = "Setup"
    return render(request, "environments/setup.html", {**frame, "title": title, **context})


def ask(request: HttpRequest) -> HttpResponse:
    back = reverse("admin:environments_environment_setup")

    def act(actor: Actor, _given: Mapping[str, str]) -> str:
        check_setup(actor, production_ready=True)
        return back

    asked = Confirmation(
        title="Check whether this portal is ready for production?",
        sentence="Portal, framework, certificates, keys, people, protections, differences and every"
        " environment are looked at. That takes up to half a minute.",
        button="Check the setup",
        back=back,
        heading="Nothing is changed: it only reads",
        reading=True,
        blocked=why_not(actor_of(request), "check", EVERYWHERE),
    )
    return confirm(request, asked, None, act)
