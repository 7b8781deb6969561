"""
Times of day in a place's own clock, made into moments. Pure: no rows, no now.

A clock that is put forward skips times, and one that is put back shows times twice:
- a time that does not exist is the moment at which the clock was put forward;
- of a time that comes twice a period begins at the first; a freeze ends at the second, a window at
  the first. Where the clock leaves a doubt, changes are forbidden.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = timedelta(days=1)
# A week from any moment, with the night before it.
LOOKED_AHEAD = 9
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def find_zone(name: str) -> ZoneInfo:
    """Raises ValueError with a sentence for a name that no IANA time zone has."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = f"There is no time zone {name!r}. Use an IANA name such as Europe/Berlin or UTC."
        raise ValueError(text) from error


def moment(day: date, clock: time, zone: ZoneInfo, *, second: bool = False) -> datetime:
    """The moment (UTC) at which the zone's clock shows this time; see above for doubtful ones."""
    local = datetime.combine(day, clock).replace(tzinfo=zone)
    first, later = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        # Read with the offset from before the jump the time lies after it, and the other way round.
        return _jump(later, first, zone)
    return later if second else first


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The moment between them at which the zone's offset changes, to the second."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@dataclasses.dataclass(frozen=True)
class Period:
    """From `start` until just before `end`, both UTC."""

    start: datetime
    end: datetime


@dataclasses.dataclass(frozen=True)
class LocalRule:
    """
    Every week on these days (0 is Monday; none: every day) from one local time to another. An end
    that is not after the beginning lies on the next day. `second_end`: see the module.
    """

    weekdays: frozenset[int]
    begins: time
    ends: time
    zone: str
    second_end: bool = True

    def period_of(self, day: date) -> Period | None:
        """The period that begins on this local day; None when the clock skipped all of it."""
        if self.weekdays and day.weekday() not in self.weekdays:
            return None
        zone = find_zone(self.zone)
        last = day if self.ends > self.begins else day + DAY
        found = Period(
            moment(day, self.begins, zone),
            moment(last, self.ends, zone, second=self.second_end),
        )
        return found if found.end > found.start else None

    def periods(self, after: datetime) -> Iterator[Period]:
        """Those of the next week that are not over at `after`, in order."""
        today = after.astimezone(find_zone(self.zone)).date()
        for number in range(-1, LOOKED_AHEAD):
            found = self.period_of(today + number * DAY)
            if found is not None and found.end > after:
                yield found

    def period_at(self, now: datetime) -> Period | None:
        """The one that `now` lies in, together with those that follow without a gap."""
        start: datetime | None = None
        end = now
        for found in self.periods(now):
            if found.start > end:
                break
            start = start or found.start
            end = max(end, found.end)
        return Period(start, end) if start is not None and end > now else None

    def next_start(self, now: datetime) -> datetime | None:
        """When the next period begins; None when there is none in the next week."""
        return next((found.start for found in self.periods(now) if found.start > now), None)

    def in_words(self) -> str:
        """`Mon, Tue 22:00 to 06:00 Europe/Berlin`."""
        days = ", ".join(WEEKDAYS[day] for day in sorted(self.weekdays)) or "every day"
        return f"{days} {self.begins:%H:%M} to {self.ends:%H:%M} {self.zone}"
