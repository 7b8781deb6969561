"""Cron in a zone's own clock."""

from datetime import UTC, datetime

import pytest

from apps.environments.cron import parse


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moments(expression, zone, after, count):
    found, last = [], utc(after)
    for _ in range(count):
        last = parse(expression, zone).after(last)
        found.append(f"{last:%Y-%m-%d %H:%M}")
    return found


def test_the_same_local_time_follows_the_clock_through_the_year():
    assert moments("30 8 * * *", "Europe/Berlin", "2026-03-28 00:00", 2) == [
        "2026-03-28 07:30",
        "2026-03-29 06:30",
    ]


def test_a_time_the_clock_skips_fires_once_at_the_jump():
    assert moments("*/10 2 * * *", "Europe/Berlin", "2026-03-29 00:00", 2) == [
        "2026-03-29 01:00",
        "2026-03-30 00:00",
    ]


def test_a_time_that_comes_twice_fires_once():
    assert moments("30 2 * * *", "Europe/Berlin", "2026-10-25 00:00", 2) == [
        "2026-10-25 00:30",
        "2026-10-26 01:30",
    ]


def test_days_of_month_and_week_are_read_as_crontab_reads_them():
    assert moments("0 0 1 * *", "UTC", "2026-01-15 00:00", 1) == ["2026-02-01 00:00"]
    # Both restricted: either one is enough.
    assert moments("0 0 13 * fri", "UTC", "2026-11-01 00:00", 3) == [
        "2026-11-06 00:00",
        "2026-11-13 00:00",
        "2026-11-20 00:00",
    ]
    assert moments("0 0 * * 7", "UTC", "2026-11-16 00:00", 1) == ["2026-11-22 00:00"]
    assert moments("0 0 29 2 *", "UTC", "2026-01-01 00:00", 1) == ["2028-02-29 00:00"]


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "61 * * * *", "a b c d e", "0 0 31 2 *", "0 25 * * *"]
)
def test_what_is_no_cron_is_refused_with_a_sentence(expression):
    with pytest.raises(ValueError, match=r"Write it|five|never comes"):
        parse(expression, "UTC")


def test_an_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="There is no time zone"):
        parse("* * * * *", "Berlin")
