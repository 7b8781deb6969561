"""The settings that all environments share: their page, and the pages before a change of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.effective import all_settings
from apps.environments.models import BaseSetting, Environment
from apps.environments.moved import mark_of
from apps.environments.services import remove_base_setting, set_base_setting
from apps.environments.setting_pages import (
    NOTE,
    STALE,
    ask_value,
    asks_of_new,
    kind_for,
    read_value,
    shown,
)
from apps.live.sequences import last_sequence


@dataclass(frozen=True)
class Reach:
    """Whom a key of the base reaches: all of it, what their own map leaves, or nothing of it."""

    whole: Sequence[Environment]
    part: Sequence[Environment]
    spared: Sequence[Environment]

    @property
    def touched(self) -> list[Environment]:
        return sorted([*self.whole, *self.part], key=lambda place: place.rank)

    def lines(self) -> list[str]:
        """One sentence for each group that is not empty."""
        said = (
            (self.whole, "Touches {}: no value of their own."),
            (self.part, "Touches {} in part: keys of their own go over it."),
            (self.spared, "Leaves {} alone: a value of their own."),
        )
        return [
            words.format(", ".join(place.slug for place in places))
            for places, words in said
            if places
        ]


def reaches_of(keys: Iterable[str]) -> dict[str, Reach]:
    """By what each environment has of its own."""
    places = list(Environment.objects.order_by("rank"))
    mine = all_settings()[0]
    own = {(row.environment_id, row.key): row.value for rows in mine.values() for row in rows}
    found = {}
    for key in keys:
        held = [place for place in places if (place.pk, key) in own]
        part = [place for place in held if isinstance(own[place.pk, key], dict)]
        whole = [place for place in places if place not in held]
        found[key] = Reach(whole, part, [place for place in held if place not in part])
    return found


def register_pages() -> None:
    """Their addresses, once the site is there. No key holds a hyphen, so `add-one` is none."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    for route, view, name in (
        ("", page, "base-settings"),
        ("add-one/", add_page, "base-setting-add"),
        ("<str:key>/", change_page, "base-setting-change"),
        ("<str:key>/remove/", remove_page, "base-setting-remove"),
    ):
        site.page(f"base-settings/{route}", view, name)


def page(request: HttpRequest) -> HttpResponse:
    """Every setting of the base with whom it reaches, or the part of the page that moved."""
    actor = actor_of(request)
    check(actor, "view")
    rows = list(BaseSetting.objects.all())
    reaches = reaches_of([row.key for row in rows])
    context = {
        "rows": [(row, shown(row.value), reaches[row.key]) for row in rows],
        "refusal": why_not(actor, "edit_settings", EVERYWHERE),
        "after": last_sequence(),
    }
    if request.GET.get("fragment"):
        return render(request, "environments/_base.html", context)
    frame = {**admin.site.each_context(request), "title": "Base settings"}
    return render(request, "environments/base.html", {**frame, **context})


def add_page(request: HttpRequest) -> HttpResponse:
    check(actor_of(request), "view")

    def act(actor: Actor, given: Given) -> str:
        key = given.get("key", "").strip()
        _set(actor, key, kind_for(key, given), given, mark_of(None))
        return reverse("admin:base-settings")

    places = list(Environment.objects.order_by("rank"))
    return _ask(
        request,
        Reach(places, (), ()),
        Confirmation(
            title="Add a setting to the base?",
            sentence="The program of every environment reads it, where the environment has no value"
            " of its own. One that there is already is changed where it is shown.",
            button="Add setting to the base",
            back=reverse("admin:base-settings"),
            lines=[("", "Touches every environment that has no value of its own."), ("", STALE)],
            asks=asks_of_new({row.key for row in BaseSetting.objects.all()}),
        ),
        act,
    )


def change_page(request: HttpRequest, key: str) -> HttpResponse:
    row, reach = _found(request, key)

    def act(actor: Actor, given: Given) -> str:
        _set(actor, key, row.kind, given, given.get("seen", ""))
        return reverse("admin:base-settings")

    return _ask(
        request,
        reach,
        Confirmation(
            title=f"Change {key} of the base?",
            sentence=f"Last changed by {row.changed_by or 'nobody'} on"
            f" {row.changed_at:%Y-%m-%d %H:%M} UTC.",
            button=f"Change {key} in {_named(reach)}",
            back=reverse("admin:base-settings"),
            lines=[("", line) for line in [*reach.lines(), STALE]],
            asks=[
                ask_value(row.kind, row.value),
                Ask("note", NOTE.label, value=row.note, help=NOTE.help),
            ],
            hidden={"seen": mark_of(row)},
        ),
        act,
    )


def remove_page(request: HttpRequest, key: str) -> HttpResponse:
    row, reach = _found(request, key)

    def act(actor: Actor, given: Given) -> str:
        remove_base_setting(actor, key=key, seen=given.get("seen", ""))
        return reverse("admin:base-settings")

    return _ask(
        request,
        reach,
        Confirmation(
            title=f"Remove {key} of the base?",
            sentence=f"Its value goes: {shown(row.value)}",
            button=f"Remove {key} from {_named(reach)}",
            back=reverse("admin:base-settings"),
            lines=[("", line) for line in [*reach.lines(), STALE]],
            danger=True,
            hidden={"seen": mark_of(row)},
        ),
        act,
    )


def _found(request: HttpRequest, key: str) -> tuple[BaseSetting, Reach]:
    check(actor_of(request), "view")
    row = BaseSetting.objects.filter(key=key).first()
    if row is None:
        raise Http404(f"The base has no setting {key}.")
    return row, reaches_of([key])[key]


def _named(reach: Reach) -> str:
    return ", ".join(place.slug for place in reach.touched) or "no environment"


def _ask(
    request: HttpRequest, reach: Reach, asked: Confirmation, act: Callable[[Actor, Given], str]
) -> HttpResponse:
    """What touches production is typed, as in its own settings."""
    asked.typed = next((place.slug for place in reach.touched if place.is_production), "")
    asked.blocked = why_not(actor_of(request), "edit_settings", EVERYWHERE)
    return confirm(request, asked, None, act)


def _set(actor: Actor, key: str, kind: str, given: Given, seen: str) -> None:
    set_base_setting(
        actor,
        key=key,
        value=read_value(key, kind, given.get("value", "")),
        kind=kind,
        note=given.get("note", "").strip(),
        seen=seen,
    )
