"""The page before a secret is set: what is typed in goes to the verb and to no other place."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables

from apps.core.admin import PortalAdminSite
from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, Given, confirm, why_not
from apps.core.errors import Invalid
from apps.core.permissions import Actor
from apps.environments.effective import effective_values
from apps.environments.models import Environment, Secret
from apps.environments.moved import mark_of
from apps.environments.schema import needed_secrets
from apps.environments.secrets import LONGEST_ROTATION, newest_secrets
from apps.environments.services import set_secret
from apps.environments.setting_pages import card_of, typed_for
from apps.environments.validation_page import environment_or_404

KEPT = "It is sealed at once and never shown again: not here, not over REST, not in the record."
FIRST = "It becomes version 1. One that there is already gets its next version where it is shown."
STALE = "A plan that waits for approval becomes stale; the next deployment uses the new value."


def register_pages() -> None:
    """Their addresses, once the site is there."""
    site = admin.site
    assert isinstance(site, PortalAdminSite)
    site.page("environments/<slug:slug>/secrets/", add_page, "secret-add")
    site.page("environments/<slug:slug>/secrets/<str:key>/", change_page, "secret-change")


def add_page(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    held = {row.key for row in newest_secrets(place)}
    missing = [key for key in needed_secrets(effective_values(place)) if key not in held]

    @sensitive_variables()
    def act(actor: Actor, given: Given) -> str:
        _set(actor, place, given.get("key", "").strip(), given, mark_of(None))
        return card_of(slug)

    page = Confirmation(
        title=f"Set a secret of {slug}?",
        sentence=KEPT,
        button=f"Set secret of {slug}",
        back=card_of(slug),
        lines=[("", FIRST), ("", STALE)],
        asks=[
            Ask(
                "key",
                "Key",
                value=missing[0] if missing else "",
                required=True,
                help=f"The settings need {', '.join(missing)}." if missing else "",
            ),
            *VALUE,
            ROTATION,
        ],
        typed=typed_for(place),
        blocked=why_not(actor_of(request), "edit_secrets", slug),
    )
    return confirm(request, page, place, act)


def change_page(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    place = environment_or_404(request, slug)
    row = next((row for row in newest_secrets(place) if row.key == key), None)
    if row is None:
        raise Http404(f"{slug} has no secret {key}.")

    @sensitive_variables()
    def act(actor: Actor, given: Given) -> str:
        _set(actor, place, key, given, given.get("seen", ""))
        return card_of(slug)

    page = Confirmation(
        title=f"Set {key} of {slug} anew?",
        sentence=f"Version {row.version} was set by {row.set_by} on {row.set_at:%Y-%m-%d %H:%M}"
        f" UTC{_due(row)}. {KEPT}",
        button=f"Set {key} of {slug}",
        back=card_of(slug),
        lines=[
            ("", f"It becomes version {row.version + 1}. Older ones stay for runs under way."),
            ("", STALE),
        ],
        asks=[*VALUE, ROTATION],
        typed=typed_for(place),
        hidden={"seen": mark_of(row)},
        blocked=why_not(actor_of(request), "edit_secrets", slug),
    )
    return confirm(request, page, place, act)


VALUE = (
    Ask("value", "Value, one line", kind="password"),
    Ask(
        "lines",
        "Or several lines, such as a key file",
        kind="password",
        long=True,
        help="Line ends are kept. After a refusal it is typed in again: nothing of it comes back.",
    ),
)
ROTATION = Ask(
    "rotate_within_days",
    "Due for rotation within days",
    kind="number",
    help=f"1 to {LONGEST_ROTATION}; empty: never due.",
)


@sensitive_variables()
def _set(actor: Actor, place: Environment, key: str, given: Given, seen: str) -> None:
    set_secret(
        actor,
        environment=place.slug,
        key=key,
        value=_value(given),
        rotate_within_days=_days(given.get("rotate_within_days", "").strip()),
        seen=seen,
    )


@sensitive_variables()
def _value(given: Given) -> str:
    """One of the two fields. Browsers send the ends of lines as CR LF, whatever was pasted."""
    line, lines = given.get("value", ""), given.get("lines", "").replace("\r\n", "\n")
    if line and lines:
        words = "Give the value in one of the two fields."
        raise Invalid("secret.twice", words, errors={"lines": words})
    return line or lines


def _days(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > len(str(LONGEST_ROTATION)):
        # What stands there may be a secret in the wrong field: it is not repeated.
        words = f"A whole number of days from 1 to {LONGEST_ROTATION}."
        raise Invalid("secret.rotation", words, errors={"rotate_within_days": words})
    return int(text)


def _due(row: Secret) -> str:
    return f", due {row.rotation_due_at:%Y-%m-%d}" if row.rotation_due_at else ""
