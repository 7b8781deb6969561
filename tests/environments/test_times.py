"""Freezes, windows, named locks and the stop: made, changed and ended by verbs."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Locked, NotFound, Refused
from apps.environments import services
from apps.environments.models import Freeze, Stop
from apps.environments.recurrence import Hours
from apps.environments.times import closed_window, freezes_now, locks_now, standing_stop
from tests.conftest import person

HOUR = timedelta(hours=1)


def at(text):
    return time_machine.travel(datetime.fromisoformat(text).replace(tzinfo=UTC), tick=False)


@pytest.fixture
def ada(db):
    return actor_for_user(person("ada", "approver"))


@pytest.fixture
def oli(db):
    return actor_for_user(person("oli", "operator"))


def freeze(actor, **keys):
    given = {"environment": "development", "reason": "year end", **keys}
    return services.freeze_environment(actor, **given)


def now_frozen(place):
    return bool(freezes_now(place, timezone.now()))


def test_a_freeze_holds_from_its_start_until_its_end(ada, development, staging):
    with at("2026-12-20 10:00"):
        freeze(
            ada,
            starts_at=datetime(2026, 12, 24, tzinfo=UTC),
            ends_at=datetime(2027, 1, 4, 9, tzinfo=UTC),
        )
        assert not now_frozen(development)
    with at("2026-12-24 00:00"):
        assert now_frozen(development)
        assert not now_frozen(staging)
    with at("2027-01-04 09:00"):
        assert not now_frozen(development)


def test_a_freeze_of_all_environments_needs_the_right_everywhere(ada, development, staging):
    only = actor_for_user(person("eve", "approver@development"))
    with pytest.raises((Forbidden, NotFound)):
        freeze(only, environment="", ends_at=timezone.now() + HOUR)
    freeze(ada, environment="", ends_at=timezone.now() + HOUR)
    assert now_frozen(development)
    assert now_frozen(staging)


def test_a_recurring_freeze_follows_the_clock_of_its_zone(ada, development):
    with at("2026-03-01 12:00"):
        freeze(ada, hours=Hours("22:00", "06:00", ["fri", "sat"], "Europe/Berlin"))
    for moment, frozen in (
        ("2026-03-27 21:30", True),  # winter: 22:30 there
        ("2026-03-28 04:59", True),
        ("2026-03-28 05:00", False),
        ("2026-03-29 03:59", True),  # summer since 01:00 UTC: 05:59 there
        ("2026-03-29 04:00", False),
        ("2026-04-03 19:59", False),
        ("2026-04-03 20:00", True),  # summer: 22:00 there
    ):
        with at(moment):
            assert now_frozen(development) is frozen, moment


def test_a_freeze_is_edited_and_lifted_with_reasons_that_are_kept(ada, development):
    row = freeze(ada, ends_at=timezone.now() + HOUR)
    later = timezone.now() + 5 * HOUR
    services.edit_freeze(ada, freeze=row.pk, ends_at=later, why="the audit takes longer")
    assert Freeze.objects.get().ends_at == later
    services.lift_freeze(ada, freeze=row.pk, reason="audit done")
    assert not now_frozen(development)
    kept = {event.event: event.detail for event in AuditEvent.objects.all()}
    assert kept["environments.freeze.edited"]["why"] == "the audit takes longer"
    assert kept["environments.freeze.lifted"]["reason"] == "audit done"
    for again in (
        lambda: services.lift_freeze(ada, freeze=row.pk),
        lambda: services.edit_freeze(ada, freeze=row.pk, ends_at=later + HOUR, why="again"),
    ):
        with pytest.raises(Refused) as caught:
            again()
        assert caught.value.code == "freeze.over"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"reason": " ", "ends_at": datetime(2100, 1, 1, tzinfo=UTC)},
        {"reason": "x" * 201, "ends_at": datetime(2100, 1, 1, tzinfo=UTC)},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"hours": Hours("22:00", "")},
        {"hours": Hours("25:00", "06:00")},
        {"hours": Hours("22:00:01", "06:00")},
        {"hours": Hours("22:00", "06:00", ["someday"])},
        {"hours": Hours("22:00", "06:00", zone="Berlin")},
    ],
)
def test_a_freeze_that_nobody_can_use_is_refused_with_what_to_give(keys, ada, development):
    with pytest.raises(Invalid) as caught:
        freeze(ada, **keys)
    assert caught.value.code == "freeze.malformed"
    assert caught.value.errors
    assert not Freeze.objects.exists()


def test_only_who_may_freeze_does(oli, development):
    with pytest.raises(Forbidden):
        freeze(oli, ends_at=timezone.now() + HOUR)


def test_outside_of_every_window_it_is_closed_and_says_when_one_opens(ada, development):
    with at("2026-11-18 12:00"):
        assert closed_window(development, timezone.now()) is None
        row = services.add_window(
            ada,
            environment="development",
            hours=Hours("09:00", "16:00", ["mon", "tue"], "Europe/Berlin"),
            reason="office hours",
        )
        found = closed_window(development, timezone.now())
        assert found.opens_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
        assert (found.by, found.rules) == ("ada", "Mon, Tue 09:00 to 16:00 Europe/Berlin")
        services.add_window(
            ada, environment="", hours=Hours("20:00", "02:00"), reason="nights everywhere"
        )
        assert closed_window(development, timezone.now()).opens_at.hour == 20
    with at("2026-11-19 01:59"):
        assert closed_window(development, timezone.now()) is None
    with at("2026-11-23 10:00"):
        assert closed_window(development, timezone.now()) is None
        services.edit_window(
            ada, window=row.pk, hours=Hours("12:00", "13:00"), why="lunch is quieter"
        )
        assert closed_window(development, timezone.now()) is not None
        services.end_window(ada, window=row.pk, reason="no more")
        with pytest.raises(Refused) as caught:
            services.end_window(ada, window=row.pk)
        assert caught.value.code == "window.over"


def test_a_window_without_hours_is_refused(ada, development):
    with pytest.raises(Invalid) as caught:
        services.add_window(ada, environment="development", hours=Hours(), reason="none")
    assert caught.value.code == "window.malformed"


def test_a_lock_is_held_by_one_until_it_is_released_or_expires(ada, oli, development):
    def lock(actor):
        return services.lock_environment(
            actor,
            environment="development",
            name="repair",
            reason="mending the state",
            expires_at=timezone.now() + HOUR,
        )

    row = lock(oli)
    other = actor_for_user(person("otto", "operator"))
    with pytest.raises(Locked) as caught:
        lock(other)
    assert (caught.value.code, caught.value.status) == ("lock.taken", 423)
    assert "held by oli" in caught.value.detail
    with pytest.raises(Forbidden):
        services.unlock_environment(other, lock=row.pk)
    services.unlock_environment(oli, lock=row.pk, reason="mended")
    lock(other)
    with time_machine.travel(timezone.now() + 2 * HOUR):
        assert locks_now(development, timezone.now()) == []
        lock(oli)


@pytest.mark.parametrize("hours", [-1, 24 * 31])
def test_a_lock_expires_within_thirty_days(hours, oli, development):
    with pytest.raises(Invalid) as caught:
        services.lock_environment(
            oli,
            environment="development",
            name="repair",
            reason="x",
            expires_at=timezone.now() + hours * HOUR,
        )
    assert caught.value.code == "lock.malformed"


def test_the_line_is_stopped_once_and_lifted_explicitly(ada, oli):
    services.stop_the_line(oli, reason="the bucket is on fire")
    assert standing_stop().stopped_by == "oli"
    with pytest.raises(Refused) as caught:
        services.stop_the_line(ada, reason="again")
    assert caught.value.code == "line.stopped"
    assert "oli: the bucket" in caught.value.detail
    with pytest.raises(Forbidden):
        services.lift_stop(oli, reason="I think it is out")
    with pytest.raises(Invalid):
        services.lift_stop(ada, reason="")
    services.lift_stop(ada, reason="it is out")
    assert standing_stop() is None
    with pytest.raises(Refused) as caught:
        services.lift_stop(ada, reason="again")
    assert caught.value.code == "line.running"
    assert Stop.objects.get().lifted_because == "it is out"


def test_nobody_stops_the_line_with_a_look_only(development):
    with pytest.raises((Forbidden, NotFound)):
        services.stop_the_line(actor_for_user(person("vic", "viewer")), reason="because")
