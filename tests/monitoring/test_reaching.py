"""Allowed ranges, heartbeats, hours, ticks: over REST and underneath."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.permissions import system
from apps.monitoring.heartbeats import path_of
from apps.monitoring.models import AllowedRange, Check, CheckHour, CheckResult, RoundTick
from apps.monitoring.runner.claiming import Claim
from apps.monitoring.runner.preparing import forget_rules, looks_of
from apps.monitoring.runner.rolling import prune_results, roll_up
from apps.monitoring.runner.ticking import note_tick
from apps.monitoring.services import register_check
from orchestra_portal import health
from tests.monitoring.test_check_endpoints import URL, as_person

pytestmark = pytest.mark.django_db
RANGES = "/api/v1/monitoring/ranges/"


@pytest.fixture(autouse=True)
def fresh_rules():
    forget_rules()
    yield
    forget_rules()


@pytest.fixture
def watch(development):
    def make(name="a", kind="http", **parameters):
        return register_check(
            system("test"),
            environment="development",
            name=name,
            kind=kind,
            parameters=parameters or {"url": "http://127.0.0.1:1/"},
        )

    return make


def claimed(row):
    return Claim(row, timezone.now(), timezone.now())


def rules(row):
    forget_rules()
    return looks_of([claimed(row)])[0].rules


def test_a_range_of_its_own_replaces_the_installations(watch, root, development):
    row = watch()
    assert rules(row).refusal("127.0.0.1", 8003) == ""
    assert rules(row).refusal("10.0.0.1", 5432) == ""
    client = as_person(root)
    given = {"environment": "development", "network": "10.2.0.0/16", "ports": [5432, 5432]}
    answer = client.post(RANGES, {**given, "reason": "databases"}, format="json")
    assert (answer.status_code, answer.json()["ports"]) == (201, [5432])
    assert rules(row).refusal("10.2.0.1", 5432) == ""
    assert rules(row).refusal("10.2.0.1", 80)
    assert rules(row).refusal("127.0.0.1", 8003)
    assert AuditEvent.objects.filter(event="monitoring.range.allowed").exists()
    assert client.delete(f"{RANGES}{answer.json()['id']}/").status_code == 204
    assert rules(row).refusal("127.0.0.1", 8003) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "10.0.0.1/8"},
        {"network": "169.254.0.0/16"},
        {"network": "169.254.169.254"},
        {"network": "ff02::/16"},
        {"network": "everything"},
        {"ports": [0]},
        {"reason": " "},
    ],
)
def test_a_range_that_nothing_may_open_is_refused(development, root, wrong):
    given = {"environment": "development", "network": "10.0.0.0/8", "reason": "why", **wrong}
    answer = as_person(root).post(RANGES, given, format="json")
    assert answer.status_code == 400
    assert next(iter(wrong)) in {error["field"] for error in answer.json()["errors"]}
    assert not AllowedRange.objects.exists()


def test_only_who_manages_access_opens_a_range(development, olga, vic):
    given = {"environment": "development", "network": "10.0.0.0/8", "reason": "why"}
    for person in (olga, vic):
        assert as_person(person).post(RANGES, given, format="json").status_code == 403


def test_the_portals_own_broker_is_never_looked_at_over_http(watch, settings):
    settings.CELERY_BROKER_URL = "redis://localhost:5433/0"
    assert "portal" in rules(watch()).refusal("127.0.0.1", 5433)
    asked = watch("pg", "postgres", host="127.0.0.1", database="a", user="a")
    assert rules(asked).refusal("127.0.0.1", 5433) == ""


def test_a_check_is_made_over_rest_and_a_wrong_word_is_named(development, olga, vic):
    client = as_person(olga)
    given = {"environment": "development", "name": "job", "kind": "heartbeat"}
    answer = client.post(URL, {**given, "parameters": {"every": 5}}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "parameters.every"
    answer = client.post(URL, {**given, "parameters": {"every": 60}}, format="json")
    assert (answer.status_code, answer.json()["fall"]) == (201, 1)
    place = f"{URL}{answer.json()['id']}/"
    assert as_person(vic).delete(place).status_code == 403
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_job_calls_in_with_its_token_and_nobody_else_does(watch, olga):
    row = watch("job", "heartbeat", every=60)
    Check.objects.filter(pk=row.pk).update(health="unreachable", next_check_at=None)
    beat, nobody = row.heartbeat, APIClient()
    assert nobody.get(path_of(beat)).status_code == 405
    assert nobody.post(path_of(beat)).status_code == 204
    beat.refresh_from_db()
    row.refresh_from_db()
    assert (beat.calls, timezone.now() - beat.called_at < timedelta(seconds=5)) == (1, True)
    assert row.next_check_at is not None, "what was late is looked at soon"
    assert looks_of([claimed(row)])[0].facts["called_at"] == beat.called_at.timestamp()
    for token in (path_of(beat)[:-2] + "0/" if path_of(beat)[-2] != "0" else "x/", "a-b/", "1/"):
        path = token if token.startswith("/") else f"/api/v1/monitoring/heartbeats/{token}"
        assert nobody.post(path).status_code == 404
    old = path_of(beat)
    new = as_person(olga).post(f"{URL}{row.pk}/renew/").json()["path"]
    assert nobody.post(old).status_code == 404
    assert nobody.post(new).status_code == 204


def results(row, hour, *found):
    for number, what in enumerate(found):
        at = hour + timedelta(minutes=number)
        CheckResult.objects.create(check_row=row, at=at, found=what, latency_ms=10.0 * (number + 1))


def test_hours_are_counted_once_and_kept_when_the_raw_rows_go(watch, vic):
    row = watch()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    long_ago, lately = hour - timedelta(days=6), hour - timedelta(hours=2)
    results(row, long_ago, "healthy", "degraded", "unreachable", "unknown")
    results(row, lately, "healthy")
    results(row, hour, "healthy")  # this hour is not over
    assert roll_up() == 2
    # The last one is counted anew, and is what it was.
    assert roll_up() == 1
    assert CheckHour.objects.get(hour=lately).looks == 1
    counted = CheckHour.objects.get(hour=long_ago)
    assert (counted.looks, counted.healthy, counted.degraded, counted.unknown) == (4, 1, 1, 1)
    assert (counted.latency_mean, counted.latency_most) == (25.0, 40.0)
    assert prune_results(hour + timedelta(days=2)) == 4
    assert CheckHour.objects.count() == 2
    shown = as_person(vic).get(f"{URL}{row.pk}/hours/").json()["results"]
    assert [item["looks"] for item in shown] == [1, 4]
    prune_results(hour + timedelta(days=400))
    assert not CheckHour.objects.exists()


def test_what_was_stored_late_enters_the_hour_it_was_found_in(watch):
    row, other = watch("a"), watch("b")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    results(row, hour, "healthy", "healthy")
    now = hour + timedelta(minutes=70)
    assert roll_up(now) == 1
    results(row, hour + timedelta(minutes=30), "unreachable")
    results(other, hour + timedelta(minutes=30), "healthy")
    assert roll_up(now + timedelta(minutes=5)) == 2
    counted = CheckHour.objects.get(check_row=row)
    assert (counted.hour, counted.looks, counted.healthy) == (hour, 3, 2)
    assert CheckHour.objects.get(check_row=other).looks == 1


def test_what_is_too_old_goes_at_its_very_second_and_not_before(watch):
    row, now, second = watch(), datetime(2029, 2, 1, tzinfo=UTC), timedelta(seconds=1)
    week, months = now - timedelta(days=7), datetime(2028, 1, 1, tzinfo=UTC)
    for at in (week - second, week):
        CheckResult.objects.create(check_row=row, at=at, found="healthy")
    for hour in (now - timedelta(days=397) - second, months):
        CheckHour.objects.create(
            check_row=row, hour=hour, looks=1, healthy=1, degraded=0, unknown=0
        )
    assert prune_results(now) == 1
    assert [result.at for result in row.results.all()] == [week]
    assert [counted.hour for counted in CheckHour.objects.all()] == [months]


def test_late_and_missing_ticks_are_counted():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for seconds in (0, 5, 10.2, 18.5, 40, 45):
        tick = note_tick(now + timedelta(seconds=seconds))
    assert (tick.ticks, tick.late, tick.missed) == (6, 2, 4)
    tick = note_tick(now)  # the clock was set back
    assert (tick.ticks, tick.late, tick.missed) == (7, 2, 4)


def test_the_portal_is_not_ready_when_no_round_came_for_ninety_seconds(client, monkeypatch):
    monkeypatch.setattr(health, "STARTED", health.STARTED - 1000)
    assert "prober: failed: no round yet" in client.get("/readyz").content.decode()
    note_tick()
    assert client.get("/readyz").status_code == 200
    RoundTick.objects.update(at=timezone.now() - timedelta(seconds=91))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "last round 91 s ago" in answer.content.decode()


def test_a_secret_is_opened_for_the_look_that_names_it_and_for_no_other(watch, development, root):
    from apps.accounts.actors import actor_for_user
    from apps.environments.services import set_secret

    for key in ("api_token", "other"):
        set_secret(actor_for_user(root), environment="development", key=key, value=f"value-{key}")
    named = watch("named", "http", url="http://127.0.0.1:1/", bearer_secret="api_token")
    plain = watch("plain")
    first, second = looks_of([claimed(named), claimed(plain)])
    assert dict(first.secrets) == {"api_token": "value-api_token"}
    assert dict(second.secrets) == {}
    assert "value-api_token" not in repr(first)
