"""The pages before a setting of an environment is set or removed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.errors import Invalid
from apps.core.permissions import Actor
from apps.environments.choices import SettingKind
from apps.environments.effective import Effective, effective_settings
from apps.environments.models import Environment
from apps.environments.moved import mark_of
from apps.environments.schema import KNOWN
from apps.environments.services import remove_setting, set_setting
from apps.environments.validation_page import environment_or_404

LATER = "Nothing that runs changes now. The next deployment plans with it, and a plan that waits"
STALE = f"{LATER} for approval becomes stale."
NOTE = Ask("note", "Why it is so", help="Shown in the matrix where environments differ.")
FLAGS = (("yes", "yes"), ("no", "no"))


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    for route, view, name in (
        ("settings/", add_page, "setting-add"),
        ("settings/<str:key>/", change_page, "setting-change"),
        ("settings/<str:key>/remove/", remove_page, "setting-remove"),
    ):
        site.page(f"environments/<slug:slug>/{route}", view, name)


def card_of(slug: str) -> str:
    """Where the settings of an environment are shown."""
    return f"{reverse('admin:environment', args=[slug])}#settings"


def typed_for(place: Environment) -> str:
    """The word that a change of production's rules is confirmed with; empty elsewhere."""
    return place.slug if place.is_production else ""


def add_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Given) -> str:
        key = given.get("key", "").strip()
        _set(actor, place, key, kind_for(key, given), given, mark_of(None))
        return card_of(slug)

    page = Confirmation(
        title=f"Add a setting to {slug}?",
        sentence="The program of this environment reads it. One that there is already is changed"
        " where it is shown.",
        button=f"Add setting to {slug}",
        back=card_of(slug),
        lines=[("", STALE)],
        asks=asks_of_new({row.key for row in effective_settings(place)}),
        typed=typed_for(place),
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, place, act)


def kind_for(key: str, given: Given) -> str:
    """What the program reads has its kind; any other key has the one that was chosen."""
    return str(KNOWN[key][0]) if key in KNOWN else given.get("kind", "")


def asks_of_new(held: set[str]) -> list[Ask]:
    """The fields of a setting that is not there yet; `held` are the keys that are."""
    missing = [f"{key} ({words})" for key, (_, _, words) in KNOWN.items() if key not in held]
    return [
        Ask(
            "key",
            "Key",
            required=True,
            help=f"The built-in program also reads {', '.join(missing)}." if missing else "",
        ),
        Ask("kind", "Kind", choices=SettingKind.choices),
        Ask(
            "value",
            "Value",
            long=True,
            kind="code",
            required=True,
            help="A text, a number, yes or no, or a structure as JSON.",
        ),
        NOTE,
    ]


def change_page(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = _effective(place, key)

    def act(actor: Actor, given: Given) -> str:
        _set(actor, place, key, row.kind, given, given.get("seen", ""))
        return card_of(slug)

    page = Confirmation(
        title=f"Change {key} of {slug}?",
        sentence=f"{row.origin.label}, last changed by {row.row.changed_by or 'nobody'} on"
        f" {row.row.changed_at:%Y-%m-%d %H:%M} UTC.",
        button=f"Change {key} of {slug}",
        back=card_of(slug),
        lines=[("", line) for line in _said(row)],
        asks=[_value_of(row), Ask("note", NOTE.label, value=row.row.note, help=NOTE.help)],
        typed=typed_for(place),
        hidden={"seen": mark_of(row.own)},
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, place, act)


def remove_page(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = _effective(place, key)
    if row.own is None:
        raise Http404(f"{slug} has no setting {key} of its own.")

    def act(actor: Actor, given: Given) -> str:
        remove_setting(actor, environment=slug, key=key, seen=given.get("seen", ""))
        return card_of(slug)

    after = (
        f"What comes through from the base: {shown(row.base.value)}"
        if row.base
        else "The base has none: the program no longer gets it."
    )
    page = Confirmation(
        title=f"Remove {key} of {slug}?",
        sentence=f"Its own value goes: {shown(row.own.value)}",
        button=f"Remove {key} of {slug}",
        back=card_of(slug),
        lines=[("", after), ("", STALE)],
        typed=typed_for(place),
        danger=True,
        hidden={"seen": mark_of(row.own)},
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, place, act)


def _effective(place: Environment, key: str) -> Effective:
    row = next((row for row in effective_settings(place) if row.key == key), None)
    if row is None:
        raise Http404(f"{place.slug} has no setting {key}.")
    return row


def _set(actor: Actor, place: Environment, key: str, kind: str, given: Given, seen: str) -> None:
    set_setting(
        actor,
        environment=place.slug,
        key=key,
        value=read_value(key, kind, given.get("value", "")),
        kind=kind,
        note=given.get("note", "").strip(),
        seen=seen,
    )


def read_value(key: str, kind: str, text: str) -> Any:
    """What was typed in as a value of its kind. Raises Invalid (`settings.malformed`)."""
    if kind == SettingKind.TEXT:
        return text.strip()
    words = text.strip()
    if kind == SettingKind.FLAG:
        words = {"yes": "true", "no": "false"}.get(words.lower(), words)
    try:
        return json.loads(words, parse_constant=_no_constant)
    except ValueError as error:
        where = ""
        if isinstance(error, json.JSONDecodeError):
            where = f" ({error.msg}, line {error.lineno}, column {error.colno})"
        wanted = {"flag": "yes or no", "number": "a number", "structure": "a structure as JSON"}
        said = f"This is not {wanted.get(kind, 'of its kind')}{where}."
        raise Invalid(
            "settings.malformed",
            f"The setting {key} was not changed: its value cannot be read. {said}",
            next_step="Correct the value and set it again.",
            errors={"value": said},
        ) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def shown(value: Any) -> str:
    """A value as people read it, and as `read_value` takes it back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _said(row: Effective) -> list[str]:
    lines = [] if row.kind == SettingKind.STRUCTURE else [f"Now: {shown(row.value)}"]
    if row.base is not None:
        lines.append(f"From the base: {shown(row.base.value)}")
    return [*lines, STALE]


def _value_of(row: Effective) -> Ask:
    if row.kind != SettingKind.STRUCTURE:
        return ask_value(row.kind, row.value)
    own = row.own.value if row.own else {} if isinstance(row.value, dict) else row.value
    over = "Only what differs from the base; null takes a key of it away. " if row.base else ""
    return ask_value(row.kind, own, over)


def ask_value(kind: str, value: Any, over: str = "") -> Ask:
    """The field for a value of this kind; `over` is said before the help of a structure."""
    if kind == SettingKind.FLAG:
        return Ask("value", "Value", choices=FLAGS, value=shown(value))
    if kind != SettingKind.STRUCTURE:
        return Ask("value", "Value", value=shown(value), required=True)
    return Ask(
        "value",
        "Value",
        value=json.dumps(value, indent=2, ensure_ascii=False),
        long=True,
        rows=12,
        kind="code",
        required=True,
        help=f"{over}A structure as JSON.",
    )
