"""The page before the protection rules of an environment are changed: one form for all of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.errors import Invalid
from apps.core.permissions import Actor
from apps.environments.choices import EvidenceKind
from apps.environments.models import Environment, Protection
from apps.environments.moved import mark_of
from apps.environments.rules import LIMITS, lower_environments
from apps.environments.services import set_protection
from apps.environments.setting_pages import typed_for
from apps.environments.validation_page import environment_or_404

MOST_DIGITS = 10
NUMBERS = {
    "required_approvals": "Approvals needed, each of another person",
    "approval_hours": "Hours that an approval counts",
    "soak_minutes": "Minutes watched after a verification (soak)",
    "drift_minutes": "Minutes between two looks for drift (0: never by the clock)",
}
FLAGS = {
    "typed_confirmation": "Its name is typed to confirm a change",
    "automatic_rollback": "A failed verification rolls back by itself, once",
    "drift_correction": "Drift is corrected by itself",
}


def register_pages() -> None:
    """Its address, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("environments/<slug:slug>/protection/", protection_page, "protection-change")


def protection_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = place.protection
    back = f"{reverse('admin:environment', args=[slug])}#protection"

    def act(actor: Actor, given: Given) -> str:
        changes = changed_rules(row, given)
        set_protection(actor, environment=slug, seen=given.get("seen", ""), **changes)
        return back

    page = Confirmation(
        title=f"Change the protection of {slug}?",
        sentence="Only what you change here is changed. The new rules hold from now on.",
        button=f"Change protection of {slug}",
        back=back,
        lines=[
            ("", f"What is planned or waits in {slug} is measured by them before it is applied."),
        ],
        asks=_asks(place, row),
        typed=typed_for(place),
        hidden={"seen": mark_of(row)},
        blocked=why_not(actor_of(request), "edit_protection", slug),
    )
    return confirm(request, page, place, act)


def changed_rules(row: Protection, given: Given) -> dict[str, Any]:
    """The rules that the form says differently. Raises Invalid when it changes none."""
    wanted: dict[str, Any] = {
        "allowed_branches": given.get("allowed_branches", "").replace(",", " ").split(),
        "required_evidence": given.several("required_evidence"),
        "verified_in": given.several("verified_in"),
        **{name: _number(given.get(name, "").strip()) for name in NUMBERS},
        **{name: name in given for name in FLAGS},
    }
    changes = {
        name: value for name, value in wanted.items() if _plain(value) != _plain(getattr(row, name))
    }
    if not changes:
        raise Invalid("protection.same", "Nothing would change: these are the rules already.")
    return changes


def _plain(value: Any) -> Any:
    """Lists of rules are sets: the order in which boxes were ticked changes nothing."""
    return sorted(value) if isinstance(value, list) else value


def _number(text: str) -> int | str:
    """The number, else the text as it is: the rules say what is wrong with it."""
    return int(text) if text.isdecimal() and len(text) < MOST_DIGITS else text


def _asks(place: Environment, row: Protection) -> list[Ask]:
    lower = lower_environments(place)
    # A rule may name what is no longer below: shown, so that it can be taken away.
    places = [*lower, *(slug for slug in row.verified_in if slug not in lower)]
    origin = Ask(
        "verified_in",
        "Verified before in one of (none: comes from anywhere)",
        kind="several",
        choices=[(slug, slug) for slug in places],
        values=row.verified_in,
    )
    return [
        *(_number_ask(row, name) for name in ("required_approvals", "approval_hours")),
        Ask(
            "allowed_branches",
            "Allowed branches",
            value=" ".join(row.allowed_branches),
            help="Names or patterns such as main release/*; empty: any.",
        ),
        *([origin] if places else []),
        Ask(
            "required_evidence",
            "Evidence needed of every revision",
            kind="several",
            choices=EvidenceKind.choices,
            values=row.required_evidence,
        ),
        *(_number_ask(row, name) for name in ("soak_minutes", "drift_minutes")),
        *(
            Ask(name, words, kind="flag", value="yes" if getattr(row, name) else "")
            for name, words in FLAGS.items()
        ),
    ]


def _number_ask(row: Protection, name: str) -> Ask:
    least, most = LIMITS[name]
    return Ask(
        name,
        NUMBERS[name],
        value=str(getattr(row, name)),
        kind="number",
        required=True,
        help=f"{least:,} to {most:,}.",
    )
