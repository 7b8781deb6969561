"""
Cron expressions in a zone's own clock. Pure.

A time that the clock skips fires at the moment of the jump, one that comes twice fires at the
first; see `calendar.py`.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time, timedelta

from celery.schedules import ParseException, crontab_parser

from apps.environments.calendar import find_zone, moment

DAY = timedelta(days=1)
# Four years and a day: 29 February comes back within them.
LOOKED_AHEAD = 1462
FIELDS = 5
SUNDAY = 7


@dataclasses.dataclass(frozen=True)
class Cron:
    """`minute hour day-of-month month day-of-week`, as crontab(5) reads them; Sunday is 0 or 7."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # Where both days are restricted, either one is enough.
    either_day: bool
    zone: str

    def matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % SUNDAY in self.weekdays
        return by_month or by_week if self.either_day else by_month and by_week

    def after(self, last: datetime) -> datetime | None:
        """The first moment later than `last`; None when there is none within four years."""
        zone = find_zone(self.zone)
        day = last.astimezone(zone).date() - DAY
        for _ in range(LOOKED_AHEAD):
            if self.matches(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        found = moment(day, time(hour, minute), zone)
                        if found > last:
                            return found
            day += DAY
        return None


def parse(expression: str, zone: str) -> Cron:
    """Raises ValueError with a sentence."""
    find_zone(zone)
    fields = expression.lower().split()
    if len(fields) != FIELDS:
        text = f"{expression!r} has {len(fields)} fields; write five: 30 2 * * mon-fri."
        raise ValueError(text)
    minute, hour, days, months, weekdays = fields
    try:
        found = Cron(
            tuple(sorted(crontab_parser(60).parse(minute))),
            tuple(sorted(crontab_parser(24).parse(hour))),
            frozenset(crontab_parser(31, 1).parse(days)),
            frozenset(crontab_parser(12, 1).parse(months)),
            frozenset(crontab_parser(7).parse(weekdays.replace("7", "0"))),
            days != "*" and weekdays != "*",
            zone,
        )
    except (ParseException, ValueError) as error:
        text = f"{expression!r} is no cron expression: {error}. Write it as 30 2 * * mon-fri."
        raise ValueError(text) from error
    if found.after(datetime(2024, 1, 1, tzinfo=UTC)) is None:
        text = f"{expression!r} names a day that never comes."
        raise ValueError(text)
    return found
