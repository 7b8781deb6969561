"""Local times made into moments: overnight, and where the clock jumps."""

from datetime import UTC, date, datetime, time

import pytest

from apps.environments.calendar import LocalRule, Period, find_zone, moment

BERLIN = find_zone("Europe/Berlin")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rule(begins, ends, *days, zone="Europe/Berlin", second_end=True):
    return LocalRule(
        frozenset(days), time.fromisoformat(begins), time.fromisoformat(ends), zone, second_end
    )


def test_a_time_that_the_clock_skips_is_the_moment_of_the_jump():
    # 29 March 2026, Berlin: 02:00 becomes 03:00 at 01:00 UTC.
    for text in ("02:00", "02:30", "02:59"):
        assert moment(date(2026, 3, 29), time.fromisoformat(text), BERLIN) == utc(
            "2026-03-29 01:00"
        )
    assert moment(date(2026, 3, 29), time(3, 0), BERLIN) == utc("2026-03-29 01:00")
    assert moment(date(2026, 3, 29), time(1, 59), BERLIN) == utc("2026-03-29 00:59")


def test_of_a_time_that_comes_twice_the_first_is_meant_unless_the_second_is_asked_for():
    # 25 October 2026, Berlin: 03:00 becomes 02:00 at 01:00 UTC.
    night = date(2026, 10, 25)
    assert moment(night, time(2, 30), BERLIN) == utc("2026-10-25 00:30")
    assert moment(night, time(2, 30), BERLIN, second=True) == utc("2026-10-25 01:30")
    assert moment(night, time(4, 0), BERLIN, second=True) == utc("2026-10-25 03:00")


def test_a_jump_of_half_an_hour_and_one_before_midnight_are_found():
    assert moment(date(2026, 10, 4), time(2, 10), find_zone("Australia/Lord_Howe")) == utc(
        "2026-10-03 15:30"
    )
    # Beirut puts the clock forward at midnight: 00:30 does not exist.
    assert moment(date(2026, 3, 29), time(0, 30), find_zone("Asia/Beirut")) == utc(
        "2026-03-28 22:00"
    )


def test_an_overnight_rule_belongs_to_the_day_it_begins_on():
    friday_night = rule("22:00", "06:00", 4)
    # Friday 20 November 2026, winter time.
    assert friday_night.period_at(utc("2026-11-20 21:30")) == Period(
        utc("2026-11-20 21:00"), utc("2026-11-21 05:00")
    )
    assert friday_night.period_at(utc("2026-11-21 04:59:59")) is not None
    assert friday_night.period_at(utc("2026-11-21 05:00")) is None
    assert friday_night.period_at(utc("2026-11-20 04:00")) is None
    assert friday_night.next_start(utc("2026-11-21 05:00")) == utc("2026-11-27 21:00")


def test_a_night_with_a_jump_is_an_hour_shorter_or_longer():
    night = rule("22:00", "06:00")
    shorter = night.period_of(date(2026, 3, 28))
    longer = night.period_of(date(2026, 10, 24))
    assert (shorter.end - shorter.start).total_seconds() == 7 * 3600
    assert (longer.end - longer.start).total_seconds() == 9 * 3600


def test_a_freeze_ends_at_the_second_of_a_doubled_time_and_a_window_at_the_first():
    day = date(2026, 10, 24)
    assert rule("22:00", "02:30").period_of(day).end == utc("2026-10-25 01:30")
    assert rule("22:00", "02:30", second_end=False).period_of(day).end == utc("2026-10-25 00:30")


def test_a_period_that_the_clock_skips_does_not_take_place():
    assert rule("02:10", "02:50").period_of(date(2026, 3, 29)) is None
    assert rule("02:10", "02:50").period_of(date(2026, 3, 30)) is not None


def test_the_whole_day_and_days_in_a_row_have_no_gap_between_them():
    weekdays = rule("00:00", "00:00", 0, 1, 2, 3, 4)
    found = weekdays.period_at(utc("2026-11-18 12:00"))
    assert found.end == utc("2026-11-20 23:00")
    assert rule("00:00", "00:00").period_at(utc("2026-11-18 12:00")) is not None


def test_the_words_of_a_rule_name_days_hours_and_zone():
    assert rule("22:00", "06:00", 4, 0).in_words() == "Mon, Fri 22:00 to 06:00 Europe/Berlin"
    assert rule("22:00", "06:00").in_words() == "every day 22:00 to 06:00 Europe/Berlin"


@pytest.mark.parametrize("name", ["Berlin", "", "../etc/passwd", "Europe/Nowhere"])
def test_a_name_that_no_zone_has_is_refused_with_a_sentence(name):
    with pytest.raises(ValueError, match="There is no time zone"):
        find_zone(name)
