"""The pages before the source of an environment's program is changed."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.permissions import Actor
from apps.environments.models import Environment, ProgramSource
from apps.environments.moved import mark_of
from apps.environments.services import remove_program_source, set_program_source
from apps.environments.setting_pages import typed_for
from apps.environments.sources import source_of
from apps.environments.validation_page import environment_or_404

FIELDS = ("url", "path", "ref", "credential")


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("environments/<slug:slug>/program/", change_page, "source-change")
    site.page("environments/<slug:slug>/program/built-in/", remove_page, "source-remove")


def card_of(slug: str) -> str:
    return f"{reverse('admin:environment', args=[slug])}#program"


def change_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = source_of(place)

    def act(actor: Actor, given: Given) -> str:
        asked = {name: given.get(name, "").strip() for name in FIELDS}
        set_program_source(actor, environment=slug, seen=given.get("seen", ""), **asked)
        return card_of(slug)

    page = Confirmation(
        title=f"Deploy {slug} from git?",
        sentence="Nothing that runs changes now. A new deployment takes the commit that the ref"
        " names when it is asked for, and keeps to it; a plan that waits becomes stale.",
        button=f"Change program of {slug}",
        back=card_of(slug),
        lines=[("", _now(row)), *_way_back(slug, row)],
        asks=_asks(place, row),
        typed=typed_for(place),
        hidden={"seen": mark_of(row)},
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, place, act)


def _now(row: ProgramSource | None) -> str:
    return f"Now it is {row}." if row else "Now the built-in program is deployed."


def _way_back(slug: str, row: ProgramSource | None) -> list[tuple[str, str]]:
    address = reverse("admin:source-remove", args=[slug])
    return [("", f"The built-in program comes back at {address}.")] if row else []


def _asks(place: Environment, row: ProgramSource | None) -> list[Ask]:
    keys = sorted(set(place.secrets.values_list("key", flat=True)))
    return [
        Ask(
            "url",
            "Repository",
            value=row.url if row else "",
            required=True,
            help="https://host/path or ssh://git@host/path, without credentials.",
        ),
        Ask(
            "path",
            "Folder of the program",
            value=row.path if row else "",
            help="With Pulumi.yaml and __main__.py; empty: the repository's top.",
        ),
        Ask(
            "ref",
            "Branch, tag or commit",
            value=row.ref if row else "main",
            required=True,
        ),
        Ask(
            "credential",
            "Secret that opens it",
            value=row.credential if row else "",
            choices=[("", "none: anybody may read it"), *((key, key) for key in keys)],
            help="A token for https, a private key for ssh.",
        ),
    ]


def remove_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = source_of(place)

    def act(actor: Actor, given: Given) -> str:
        remove_program_source(actor, environment=slug, seen=given.get("seen", ""))
        return card_of(slug)

    page = Confirmation(
        title=f"Deploy the built-in program to {slug}?",
        sentence="Nothing that runs changes now; the next deployment replaces what the program from"
        " git made with what the built-in one declares.",
        button=f"Deploy {slug} from the built-in program",
        back=card_of(slug),
        lines=[("", _now(row))],
        typed=typed_for(place),
        hidden={"seen": mark_of(row)},
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, place, act)
