"""What the verbs on freezes, windows, locks and stops read and check in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import time
from typing import Any

from apps.core.errors import Invalid
from apps.core.permissions import Actor
from apps.environments.calendar import WEEKDAYS, find_zone
from apps.environments.lookup import find_environment
from apps.environments.models import Environment
from apps.live.services import announce

LONGEST_REASON = 200
NAMES = tuple(day.lower() for day in WEEKDAYS)


@dataclasses.dataclass(frozen=True)
class Hours:
    """
    When something recurs, as people write it: `begins` and `ends` as `HH:MM`, local in `zone` (an
    IANA name), on these `weekdays` (`mon` … `sun`; none: every day). An end that is not after the
    beginning lies on the next day.
    """

    begins: str = ""
    ends: str = ""
    weekdays: Sequence[str] = ()
    zone: str = "UTC"


NO_HOURS = Hours()


def find_place(actor: Actor, environment: str) -> Environment | None:
    """The environment, or None for all of them."""
    return find_environment(actor, environment) if environment else None


def read_rule(code: str, hours: Hours) -> dict[str, Any]:
    """The fields of a `Recurring` row; empty where no hours are given. Raises Invalid (`code`)."""
    if not hours.begins and not hours.ends and not hours.weekdays:
        return {}
    days = [day.strip().lower()[:3] for day in hours.weekdays if day.strip()]
    if unknown := sorted(set(days) - set(NAMES)):
        raise Invalid(
            code,
            f"There is no weekday {', '.join(unknown)}; they are {', '.join(NAMES)}.",
            errors={"weekdays": f"Of {', '.join(NAMES)}."},
        )
    try:
        find_zone(hours.zone)
    except ValueError as error:
        raise Invalid(code, str(error), errors={"zone": str(error)}) from error
    return {
        "weekdays": sorted({NAMES.index(day) for day in days}),
        "begins": _clock(code, "begins", hours.begins),
        "ends": _clock(code, "ends", hours.ends),
        "zone": hours.zone or "UTC",
    }


def _clock(code: str, field: str, text: str) -> time:
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or len(text) != len("HH:MM"):
        raise Invalid(
            code,
            f"{text!r} is no time of day. Write hours and minutes as 22:00.",
            errors={field: "A time of day as 22:00."},
        )
    return found


def stated_reason(code: str, reason: str, field: str = "reason") -> str:
    """The reason without its edges. Raises Invalid naming `field`: there is none, or too much."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise Invalid(
            code,
            "This needs a reason: whoever is kept waiting reads it."
            if not text
            else f"The reason has {len(text)} characters; {LONGEST_REASON} fit.",
            errors={field: f"A reason of at most {LONGEST_REASON} characters."},
        )
    return text


def tell(place: Environment | None, kind: str) -> None:
    """The live message: to the environment, else to every page about all of them."""
    if place is None:
        announce("fleet", kind)
        return
    announce(f"environment:{place.slug}", kind, environment=place.slug)
    announce("fleet", kind, environment=place.slug)
