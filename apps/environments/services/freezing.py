"""When changes are forbidden: once or every week, in one environment or in all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.models import Freeze
from apps.environments.recurrence import NO_HOURS, Hours, find_place, read_rule, stated_reason, tell
from apps.environments.services.recurring import change_row

MALFORMED = "freeze.malformed"


def freeze_environment(
    actor: Actor,
    *,
    environment: str = "",
    reason: str,
    ends_at: datetime | None = None,
    starts_at: datetime | None = None,
    hours: Hours = NO_HOURS,
) -> Freeze:
    """
    Forbids changes, without `environment` in all of them: until `ends_at`, or with `hours` in these
    hours of every week (until `ends_at`, else until somebody lifts it). Raises Invalid
    (`freeze.malformed`), NotFound, Forbidden.
    """
    place = find_place(actor, environment)
    check(actor, "freeze", environment or EVERYWHERE)
    start = starts_at or timezone.now()
    rule = read_rule(MALFORMED, hours)
    _check_span(start, ends_at, has_rule=bool(rule))
    text = stated_reason(MALFORMED, reason)
    with transaction.atomic():
        row = Freeze.objects.create(
            environment=place,
            reason=text,
            starts_at=start,
            ends_at=ends_at,
            created_by=actor.name,
            **rule,
        )
        record(
            actor,
            "environments.freeze.set",
            row,
            environment=environment,
            reason=text,
            until=ends_at.isoformat() if ends_at else None,
        )
        tell(place, "freeze.set")
    return row


def edit_freeze(
    actor: Actor,
    *,
    freeze: int,
    reason: str = "",
    ends_at: datetime | None = None,
    why: str,
) -> Freeze:
    """
    Changes the reason or the end of a freeze; `why` is kept in the record. Raises Refused
    (`freeze.over`), Invalid, NotFound.
    """

    def fields(row: Freeze) -> dict[str, Any]:
        stated_reason(MALFORMED, why, "why")
        changes: dict[str, Any] = {}
        if reason:
            changes["reason"] = stated_reason(MALFORMED, reason)
        if ends_at is not None:
            _check_span(max(row.starts_at, timezone.now()), ends_at, has_rule=False)
            changes["ends_at"] = ends_at
        if not changes:
            raise Invalid(MALFORMED, "Nothing would change: give a reason or an end.")
        return changes

    return change_row(
        actor, model=Freeze, key=freeze, event="edited", fields=fields, why=why.strip()
    )


def lift_freeze(actor: Actor, *, freeze: int, reason: str = "") -> Freeze:
    """Ends a freeze now. Raises Refused (`freeze.over`) when it is over already."""
    return change_row(
        actor,
        model=Freeze,
        key=freeze,
        event="lifted",
        fields=lambda _row: {"lifted_at": timezone.now(), "lifted_by": actor.name},
        reason=reason[:200],
    )


def _check_span(start: datetime, end: datetime | None, *, has_rule: bool) -> None:
    if end is None and not has_rule:
        raise Invalid(
            MALFORMED,
            "A freeze needs an end, or the hours in which it recurs.",
            errors={"ends_at": "Say until when, or give begins and ends."},
        )
    if end is not None and end <= start:
        raise Invalid(
            MALFORMED,
            "A freeze ends after it starts, and in the future.",
            errors={"ends_at": "Later than its start."},
        )
