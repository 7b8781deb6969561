"""The pages before a check is made, changed or removed: each kind asks for what it reads."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.errors import PortalError, Refused
from apps.core.permissions import Actor, may
from apps.environments.models import Environment
from apps.environments.validation_page import environment_or_404
from apps.monitoring import services
from apps.monitoring.choices import CheckKind
from apps.monitoring.heartbeats import path_of
from apps.monitoring.models import Check, Heartbeat
from apps.monitoring.parameters import KNOWN, LABELS, Parameter

PREFIX = "parameters."
FLAGS = (("", "not said"), ("yes", "yes"), ("no", "no"))
RIGHT = "edit_settings"


def choose(request: HttpRequest) -> HttpResponse:
    """Which kind, and where: the form after it depends on both."""
    actor = actor_of(request)
    rows = Environment.objects.visible_to(actor).order_by("rank")
    slugs = [slug for slug in rows.values_list("slug", flat=True) if may(actor, RIGHT, slug)]
    if not slugs:
        first = rows.values_list("slug", flat=True).first()
        if first is None:
            raise Http404
        slugs = [first]

    def act(_actor: Actor, given: Given) -> str:
        slug, kind = given.get("environment", ""), given.get("kind", "")
        if slug not in slugs or kind not in KNOWN:
            raise Http404
        return reverse("admin:monitoring_check_make", args=[slug, kind])

    page = Confirmation(
        title="New check: where, and of which kind?",
        sentence="The next page asks for what this kind reads.",
        button="Fill in the check",
        back=reverse("admin:monitoring_check_changelist"),
        asks=[
            Ask(
                "environment",
                "Environment",
                choices=[(slug, slug) for slug in slugs],
                value=request.GET.get("environment", ""),
            ),
            Ask("kind", "Kind", choices=CheckKind.choices),
        ],
        reading=True,
        blocked=why_not(actor, RIGHT, slugs[0]),
    )
    return confirm(request, page, None, act)


def make(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    if kind not in KNOWN:
        raise Http404

    def act(actor: Actor, given: Given) -> str | HttpResponse:
        name = given.get("name", "").strip()
        if place.checks.filter(name=name).exists():
            raise Refused(
                "check.exists",
                f"{slug} has a check {name} already.",
                next_step="Change it on its page, or choose another name.",
            )
        row = _register(actor, place, name, kind, given)
        if kind == CheckKind.HEARTBEAT:
            return _address(request, row.heartbeat, f"Heartbeat {row.name} is made")
        return page_of(row)

    label = CheckKind(kind).label
    page = Confirmation(
        title=f"New {label} check in {slug}?",
        sentence="It is looked at as soon as it is made, and then at its interval.",
        button=f"Make check in {slug}",
        back=reverse("admin:monitoring_check_changelist"),
        asks=[Ask("name", "Name", required=True), *_asks(kind, {}), *_common(15, is_gate=False)],
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, place, act)


def change(request: HttpRequest, row: Check) -> HttpResponse:
    slug = row.environment.slug

    def act(actor: Actor, given: Given) -> str:
        _register(actor, row.environment, row.name, row.kind, given, row.source)
        return page_of(row)

    lines = ["Other parameters are another check: what is known of its health begins anew."]
    if row.source:
        lines.append("A deployment made it: the next one sets it as it declares it.")
    page = Confirmation(
        title=f"Change check {row.name} of {slug}?",
        sentence=f"{row.get_kind_display()}, every {row.interval} s.",
        button=f"Change {row.name} in {slug}",
        back=page_of(row),
        lines=[("", line) for line in lines],
        asks=[*_asks(row.kind, row.parameters), *_common(row.interval, is_gate=row.is_gate)],
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, row.environment, act)


def retire(request: HttpRequest, row: Check) -> HttpResponse:
    slug = row.environment.slug

    def act(actor: Actor, _given: Given) -> str:
        services.retire_check(actor, check_id=row.pk)
        return reverse("admin:monitoring_check_changelist")

    lines = ["Its results and hours go with it; an incident of it is closed."]
    if row.source:
        lines.append("A deployment made it: the next one makes it again. Pausing it stays.")
    page = Confirmation(
        title=f"Remove check {row.name} of {slug}?",
        sentence="Nobody looks at it any more.",
        button=f"Remove {row.name} from {slug}",
        back=page_of(row),
        lines=[("", line) for line in lines],
        danger=True,
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, row.environment, act)


def renew(request: HttpRequest, row: Check) -> HttpResponse:
    if row.kind != CheckKind.HEARTBEAT:
        raise Http404
    slug = row.environment.slug

    def act(actor: Actor, _given: Given) -> HttpResponse:
        beat = services.renew_heartbeat(actor, check_id=row.pk)
        return _address(request, beat, f"Heartbeat {row.name} has a new address")

    page = Confirmation(
        title=f"Give heartbeat {row.name} of {slug} a new address?",
        sentence="The old one is void at once: the job is late until it calls the new one.",
        button=f"Make a new address for {row.name} in {slug}",
        back=page_of(row),
        blocked=why_not(actor_of(request), RIGHT, slug),
    )
    return confirm(request, page, row.environment, act)


def page_of(row: Check) -> str:
    return reverse("admin:monitoring_check_change", args=[row.pk])


def _address(request: HttpRequest, beat: Heartbeat, title: str) -> HttpResponse:
    """Where the job calls, shown this once: who has it can say that the job is well."""
    row = beat.check_row
    context = {
        **admin.site.each_context(request),
        "title": title,
        "row": row,
        "environment": row.environment,
        "address": f"{settings.PORTAL_URL}{path_of(beat)}",
    }
    return render(request, "monitoring/heartbeat.html", context)


def _register(
    actor: Actor, place: Environment, name: str, kind: str, given: Given, source: str = ""
) -> Check:
    read = {
        key: read_value(known, given.get(f"{PREFIX}{key}", ""))
        for key, known in KNOWN[kind].items()
    }
    interval = given.get("interval", "").strip()
    return services.register_check(
        actor,
        environment=place.slug,
        name=name,
        kind=kind,
        parameters={key: value for key, value in read.items() if value is not None},
        source=source,
        interval=int(interval) if interval.isdecimal() and len(interval) < 10 else 0,
        is_gate="is_gate" in given,
    )


def read_value(known: Parameter, text: str) -> Any:
    """
    A field as its parameter's type; None where nothing stands in it. What cannot be read stays a
    text: the check of the parameters says what is wanted.
    """
    text = text.strip()
    if not text:
        return None
    if known.type is bool:
        return {"yes": True, "no": False}.get(text, text)
    if known.type is list:
        return text.replace(",", " ").split()
    if known.type is str:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def shown(value: Any) -> str:
    """As `read_value` takes it back."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(map(str, value))
        case str():
            return value
    return json.dumps(value, ensure_ascii=False)


def _asks(kind: str, held: dict[str, Any]) -> list[Ask]:
    known = sorted(KNOWN[kind].items(), key=lambda pair: not pair[1].needed)
    return [
        Ask(
            f"{PREFIX}{name}",
            LABELS.get(name, name.capitalize()),
            choices=FLAGS if parameter.type is bool else (),
            value=shown(held[name]) if name in held else "",
            help=f"{parameter.words[0].upper()}{parameter.words[1:]}."
            if parameter.needed
            else f"May stay empty: {parameter.words}.",
            required=parameter.needed,
            long=parameter.type is dict,
            kind="code" if parameter.type is dict else "text",
        )
        for name, parameter in known
    ]


def _common(interval: int, *, is_gate: bool) -> list[Ask]:
    return [
        Ask("interval", "Interval in seconds", value=str(interval), kind="number", required=True),
        Ask(
            "is_gate",
            "Counts in the verification of deployments",
            kind="flag",
            value="yes" if is_gate else "",
        ),
    ]


def refusal_of(actor: Actor, row: Check) -> PortalError | None:
    """Why the actor may not change or remove it."""
    return why_not(actor, RIGHT, row.environment.slug)
