"""Rounds: claims, batches, fall and rise, what is written and what is said."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.permissions import system
from apps.live.models import Message
from apps.monitoring.choices import Health
from apps.monitoring.judging import slot_after
from apps.monitoring.models import Check, CheckResult
from apps.monitoring.probes import Finding
from apps.monitoring.runner import rounds as runner
from apps.monitoring.runner.claiming import Claim, claim_due, renew
from apps.monitoring.runner.recording import record_batch
from apps.monitoring.runner.rolling import prune_results
from apps.monitoring.services import register_check, request_checks, set_check_enabled
from tests.monitoring.hostile import handshake, modern, silent, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watch(development):
    def make(name, kind, **parameters):
        return register_check(
            system("test"),
            environment="development",
            name=name,
            kind=kind,
            parameters=parameters,
        )

    return make


@pytest.fixture(autouse=True)
def own_prober():
    yield
    runner.finish_looks()


def due(*rows):
    Check.objects.filter(pk__in=[row.pk for row in rows]).update(next_check_at=timezone.now())


def round_now(window=0):
    runner.run_round(window).join(30)


def claimed(row):
    """The row as a round takes it, without one."""
    return Claim(row, timezone.now(), row.next_check_at)


def judged(row, *found):
    """Findings one after another; the health after each."""
    seen = []
    for what in found:
        row.refresh_from_db()
        record_batch([(claimed(row), Finding(Health(what), "because", "code"))])
        row.refresh_from_db()
        seen.append(row.health)
    return seen


def test_three_misses_make_it_down_and_two_answers_bring_it_back(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    seen = judged(row, "healthy", "unreachable", "unreachable", "unreachable", "healthy", "healthy")
    assert seen == ["healthy", "suspect", "suspect", "unreachable", "unreachable", "healthy"]


def seconds_until(moment):
    return (moment - timezone.now()).total_seconds()


def test_one_miss_is_suspect_and_looked_at_again_in_two_seconds(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    judged(row, "healthy", "unreachable")
    assert "1 of 3 missed" in row.health_reason
    assert seconds_until(row.next_check_at) == pytest.approx(2, abs=0.9)
    judged(row, "unreachable")
    assert seconds_until(row.next_check_at) == pytest.approx(5, abs=0.9)
    assert judged(row, "healthy") == ["healthy"]
    assert row.failures_in_a_row == 0


def test_a_definite_answer_needs_two_looks_only(watch):
    row = watch("a", "http", url="http://127.0.0.1:1/")
    assert judged(row, "auth_required", "auth_required") == ["suspect", "auth_required"]


def test_a_look_that_found_nothing_out_counts_for_nothing(watch):
    row = watch("a", "process", process="p")
    assert judged(row, "healthy", "unknown", "healthy") == ["healthy", "unknown", "healthy"]
    assert row.failures_in_a_row == 0


def test_a_request_to_wait_is_obeyed(watch):
    row = watch("a", "http", url="http://127.0.0.1:1/")
    record_batch(
        [(claimed(row), Finding(Health.DEGRADED, "Rate limited.", "rate_limited", wait=120))]
    )
    row.refresh_from_db()
    assert row.next_check_at - timezone.now() > timedelta(seconds=110)


def test_a_change_is_announced_where_it_is_shown_and_a_repetition_is_not(watch):
    row = watch("memory", "mcp", url="http://127.0.0.1:1/mcp")
    Check.objects.filter(pk=row.pk).update(source="deployment")
    Message.objects.all().delete()
    judged(row, "healthy")
    topics = {"environment:development", "monitoring", "fleet", "mcp:development-memory"}
    assert set(Message.objects.values_list("topic", flat=True)) == topics
    judged(row, "healthy")
    assert Message.objects.count() == len(topics)


@pytest.mark.slow
def test_a_hundred_steady_checks_cost_a_handful_of_statements(watch):
    rows = [watch(f"c{number}", "tcp", host="127.0.0.1", port=1) for number in range(100)]
    for _ in range(3):
        for row in rows:
            row.refresh_from_db()
        batch = [(claimed(row), Finding(Health.HEALTHY, latency_ms=1.0)) for row in rows]
        with CaptureQueriesContext(connection) as seen:
            record_batch(batch)
    written = [q["sql"] for q in seen if q["sql"].startswith(("UPDATE", "INSERT"))]
    assert len(seen) <= 8
    assert len(written) <= 3
    rows[0].refresh_from_db()
    assert timezone.now() - rows[0].last_checked_at < timedelta(seconds=5)
    assert rows[0].last_healthy_at == rows[0].last_checked_at


def test_a_check_is_claimed_once_however_many_ask(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    due(row)
    barrier, taken = threading.Barrier(8), []

    def ask():
        barrier.wait()
        taken.extend(claim_due())
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [claim.row.pk for claim in taken] == [row.pk]


def test_a_claim_is_a_lease_that_ends_with_its_process(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    [claim] = claim_due()
    row.refresh_from_db()
    assert row.next_check_at == claim.until
    left = (claim.until - timezone.now()).total_seconds()
    assert 3 < left <= 4, "healed within ten seconds, should we die now"
    assert claim_due() == []
    assert [late.row.pk for late in claim_due(ahead=left + 0.1)] == [row.pk]


@pytest.mark.slow
def test_a_lease_is_renewed_but_for_what_somebody_asked_for(watch):
    rows = [watch(name, "tcp", host="127.0.0.1", port=1) for name in ("a", "b")]
    claims = {claim.row.pk: claim for claim in claim_due()}
    due(rows[1])
    renewed = {claim.row.pk: claim for claim in renew(list(claims.values()))}
    for row in rows:
        row.refresh_from_db()
    assert rows[0].next_check_at == renewed[rows[0].pk].until > claims[rows[0].pk].until
    assert rows[1].next_check_at <= timezone.now()


@pytest.mark.slow
def test_what_falls_due_within_the_window_begins_in_its_own_moment(watch, serve):
    server = serve(status(200))
    rows = [watch(f"c{number}", "http", url=server.url) for number in range(6)]
    begun = timezone.now()
    for number, row in enumerate(rows):
        moment = begun + timedelta(seconds=0.2 * (number + 1))
        Check.objects.filter(pk=row.pk).update(next_check_at=moment)
    round_now(window=1.5)
    ends = [CheckResult.objects.filter(check_row=row).earliest("id").at for row in rows]
    late = [(at - begun).total_seconds() - 0.2 * (n + 1) for n, at in enumerate(ends)]
    assert all(0 <= seconds < 0.6 for seconds in late), late
    for row in rows:
        row.refresh_from_db()
        assert timezone.now() < row.next_check_at <= timezone.now() + timedelta(seconds=15)


def test_a_finding_about_other_parameters_is_not_believed(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    [claim] = claim_due()
    watch("a", "tcp", host="127.0.0.1", port=2)
    record_batch([(claim, Finding(Health.UNREACHABLE, "because", "refused"))])
    row.refresh_from_db()
    assert (row.health, row.failures_in_a_row, row.results.count()) == ("unknown", 0, 0)
    assert row.next_check_at <= timezone.now()


@pytest.mark.slow
def test_what_was_found_waits_for_a_database_that_is_away(watch, monkeypatch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    tries = []

    def breaks(findings, *, again=False):
        tries.append(again)
        if len(tries) == 1:
            findings[0][0].row.failures_in_a_row = 99  # as an attempt leaves it that got far
            raise OperationalError("the server closed the connection")
        return record_batch(findings, again=again)

    monkeypatch.setattr(runner, "record_batch", breaks)
    round_now()
    row.refresh_from_db()
    assert (tries, row.failures_in_a_row, row.results.count()) == ([False, True], 1, 1)


@pytest.mark.slow
def test_a_finding_that_cannot_be_stored_costs_the_others_nothing(watch, monkeypatch):
    rows = [watch(name, "tcp", host="127.0.0.1", port=1) for name in ("good", "bad")]

    def breaks(findings, *, again=False):
        if any(claim.row.name == "bad" for claim, _ in findings):
            raise DataError("a text with a zero byte")
        return record_batch(findings, again=again)

    monkeypatch.setattr(runner, "record_batch", breaks)
    round_now()
    assert [row.results.count() for row in rows] == [1, 0]


def test_a_worker_that_ends_gives_back_what_it_has_not_looked_at(watch, monkeypatch):
    monkeypatch.setattr(runner, "AHEAD", 60.0)
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    moment = timezone.now() + timedelta(seconds=30)
    Check.objects.filter(pk=row.pk).update(next_check_at=moment)
    runner.run_round(5)
    wait_for = time.monotonic() + 20
    while row.next_check_at <= moment and time.monotonic() < wait_for:
        time.sleep(0.02)
        row.refresh_from_db()
    assert row.next_check_at > moment, "claimed ahead"
    runner.finish_looks()
    row.refresh_from_db()
    assert (row.next_check_at, row.results.count()) == (moment, 0)


def test_every_check_has_its_own_moment_in_the_interval():
    now = timezone.now()
    rows = [Check(pk=pk, interval=15) for pk in range(1, 2001)]
    moments = [slot_after(row, now) for row in rows]
    assert all(now < moment <= now + timedelta(seconds=15) for moment in moments)
    seconds = [int((moment - now).total_seconds()) for moment in moments]
    assert max(seconds.count(second) for second in range(15)) < 220
    again = slot_after(rows[0], moments[0])
    assert again - moments[0] == pytest.approx(timedelta(seconds=15), abs=timedelta(milliseconds=1))


def test_a_round_stores_what_it_found(watch, serve):
    good, bad = serve(modern()), serve(status(502))
    rows = [watch("good", "mcp", url=good.url), watch("bad", "http", url=bad.url)]
    round_now()
    found = dict(CheckResult.objects.values_list("check_row__name", "found"))
    assert found == {"good": "healthy", "bad": "unreachable"}
    assert CheckResult.objects.get(check_row=rows[1]).code == "http_502"
    rows[0].refresh_from_db()
    assert rows[0].memory["era"] == "modern"


@pytest.mark.slow
def test_a_round_sees_an_outage_through_in_seconds(watch, serve):
    server = serve(handshake())
    row = watch("memory", "mcp", url=server.url)
    round_now()
    server.close()
    server.close = lambda: None  # gone already
    due(row)
    began = time.monotonic()
    round_now(window=8.5)
    row.refresh_from_db()
    assert row.health == "unreachable"
    assert CheckResult.objects.filter(found="unreachable").count() >= 3
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_two_hundred_checks_with_twenty_hanging_end_in_time(watch, serve):
    good = [serve(status(200)) for _ in range(20)]
    # A host is asked by two at a time, and what hangs there for the first time holds it up a
    # little: each of those is a host of its own, as ten machines that stopped would be.
    hanging = [serve(silent, host=f"127.0.0.{number}") for number in range(2, 12)]
    for number in range(180):
        watch(f"good {number}", "http", url=good[number % 20].url)
    for number in range(20):
        watch(f"hanging {number}", "http", url=hanging[number % 10].url)
    Check.objects.update(time_limit=2)
    began = time.monotonic()
    round_now()
    assert time.monotonic() - began < 8
    found = list(CheckResult.objects.values_list("found", "at"))
    assert [what for what, _ in found].count("healthy") == 180
    assert [what for what, _ in found].count("unreachable") == 20
    healthy = [at for what, at in found if what == "healthy"]
    hung = [at for what, at in found if what != "healthy"]
    assert max(healthy) < min(hung), "nobody waits for those that hang"


def test_a_paused_check_that_was_under_way_is_left_alone(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    set_check_enabled(system("test"), check_id=row.pk, enabled=False)
    record_batch([(claimed(row), Finding(Health.HEALTHY))])
    row.refresh_from_db()
    assert (row.health, row.results.count()) == ("unknown", 0)


def test_a_look_asked_for_meanwhile_is_not_lost(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    [claim] = claim_due()
    request_checks(system("test"), environment="development")
    record_batch([(claim, Finding(Health.HEALTHY))])
    row.refresh_from_db()
    assert row.next_check_at <= timezone.now()


def test_old_results_are_pruned(watch):
    row = watch("a", "tcp", host="127.0.0.1", port=1)
    for days in (1, 8):
        at = timezone.now() - timedelta(days=days)
        CheckResult.objects.create(check_row=row, at=at, found="healthy")
    assert prune_results() == 1
    assert row.results.count() == 1
