"""Windows: the hours outside of which changes are forbidden."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.models import Window
from apps.environments.recurrence import Hours, find_place, read_rule, stated_reason, tell
from apps.environments.services.recurring import change_row

MALFORMED = "window.malformed"


def add_window(
    actor: Actor,
    *,
    environment: str = "",
    hours: Hours,
    reason: str,
) -> Window:
    """
    Allows changes in these hours and, together with the other windows there, in no others. Without
    `environment` it holds in all. Raises Invalid (`window.malformed`), NotFound, Forbidden.
    """
    place = find_place(actor, environment)
    check(actor, "freeze", environment or EVERYWHERE)
    rule = _needed_rule(hours)
    text = stated_reason(MALFORMED, reason)
    with transaction.atomic():
        row = Window.objects.create(environment=place, reason=text, created_by=actor.name, **rule)
        record(
            actor,
            "environments.window.added",
            row,
            environment=environment,
            reason=text,
            rule=row.in_words(),
        )
        tell(place, "window.added")
    return row


def edit_window(
    actor: Actor,
    *,
    window: int,
    hours: Hours,
    why: str,
) -> Window:
    """Other hours for a window; `why` is kept in the record. Raises Refused, Invalid, NotFound."""

    def fields(_row: Window) -> dict[str, Any]:
        stated_reason(MALFORMED, why, "why")
        return _needed_rule(hours)

    return change_row(
        actor, model=Window, key=window, event="edited", fields=fields, why=why.strip()
    )


def end_window(actor: Actor, *, window: int, reason: str = "") -> Window:
    """Takes a window away; without any, changes are allowed at all times. Raises Refused."""
    return change_row(
        actor,
        model=Window,
        key=window,
        event="ended",
        fields=lambda _row: {"ended_at": timezone.now(), "ended_by": actor.name},
        reason=reason[:200],
    )


def _needed_rule(hours: Hours) -> dict[str, Any]:
    rule = read_rule(MALFORMED, hours)
    if not rule:
        raise Invalid(MALFORMED, "A window needs hours: when it opens and when it closes.")
    return rule
