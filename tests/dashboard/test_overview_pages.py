"""Health, incident, routes, activity and metrics: whole without JavaScript, true in every state."""

import datetime as dt
import io
import math
import re

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from apps.dashboard.figures import dora, targets
from apps.dashboard.uptime import merged, uptimes
from apps.deployments.models import Deployment
from apps.environments.services import STARTED
from apps.monitoring.incidents import open_incident
from apps.monitoring.lanes import hours_of, lanes
from apps.monitoring.models import (
    AlertRoute,
    Check,
    CheckHour,
    CheckResult,
    Delivery,
    Incident,
    RoundTick,
)
from apps.monitoring.runner import note_tick
from orchestra_portal.metrics import hundredth
from tests.conftest import person
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.test_pages import assert_clean, text_of

pytestmark = pytest.mark.django_db
PAGES = ("admin:health", "admin:activity", "admin:metrics")


@pytest.fixture
def incident(production):
    return open_incident(
        production,
        source="portal",
        key="portal:x",
        thing=HOSTILE,
        severity="critical",
        reason=HOSTILE,
        outage=True,
    )


def outage(environment, begin, minutes, **fields):
    """An outage that began `begin` hours ago."""
    at = timezone.now() - dt.timedelta(hours=begin)
    return Incident.objects.create(
        environment=environment,
        source="check",
        key=f"check:{at}",
        thing="memory",
        severity="critical",
        opened_at=at,
        outage_at=at,
        closed_at=at + dt.timedelta(minutes=minutes),
        status="closed",
        **fields,
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_when_there_is_nothing_and_when_there_is_much(
    client, olga, development, production, incident, server, name
):
    client.force_login(olga)
    server(production, health="unreachable")
    Check.objects.create(environment=production, name=HOSTILE, kind="tcp", is_enabled=False)
    assert_clean(text_of(client.get(reverse(name))))
    part = text_of(client.get(reverse(name), {"fragment": "x"}))
    assert "<html" not in part
    assert f'data-fragment="{name.partition(":")[2]}"' in part


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_portal_says_so(client, olga, name):
    client.force_login(olga)
    assert_clean(text_of(client.get(reverse(name))))


def test_health_puts_trouble_first_and_paused_in_grey(client, olga, production, incident):
    client.force_login(olga)
    for check, health, on in [
        ("well", "healthy", True),
        ("down", "unreachable", True),
        ("off", "unreachable", False),
    ]:
        Check.objects.create(
            environment=production, name=check, kind="tcp", health=health, is_enabled=on
        )
    text = text_of(client.get(reverse("admin:health")))
    assert "1 of 2 checks are well" in text
    assert "1 paused" in text
    names = re.findall(r'op-check t-(\w+)".*?</span>([^<]+)</span>', text)
    assert names == [("bad", "down"), ("ok", "well"), ("off", "off")]
    only = text_of(client.get(reverse("admin:health"), {"show": "attention"}))
    assert re.findall(r'op-check t-(\w+)"', only) == ["bad"]
    home = text_of(client.get(reverse("admin:index")))
    assert "1 of 2 checks" in home


def test_late_and_missing_rounds_stand_on_the_page(client, olga):
    client.force_login(olga)
    assert "No round of looks yet" in text_of(client.get(reverse("admin:health")))
    now = timezone.now()
    for seconds in (40, 35, 27, 12):
        note_tick(now - dt.timedelta(seconds=seconds))
    text = text_of(client.get(reverse("admin:health")))
    assert "2 late and 3 missed of 7" in text
    assert "Nothing is looked at" not in text
    RoundTick.objects.update(at=now - dt.timedelta(seconds=91))
    assert "Nothing is looked at" in text_of(client.get(reverse("admin:health")))


def test_the_worst_incident_stands_first(client, olga, production):
    for name in ("warning", "critical", "info"):
        open_incident(
            production, source="portal", key=name, thing=name, severity=name, reason="because"
        )
    client.force_login(olga)
    text = text_of(client.get(reverse("admin:health")))
    found = re.findall(r"<td>(warning|critical|info): because", text)
    assert found == ["critical", "warning", "info"]


def test_an_incident_shows_its_timeline_and_its_verbs(client, olga, vic, production, incident):
    client.force_login(olga)
    url = reverse("admin:monitoring_incident_change", args=[incident.pk])
    assert_clean(text_of(client.get(url)))
    ask = reverse("admin:monitoring_incident_acknowledge", args=[incident.pk])
    assert f"Acknowledge incident {incident.pk}" in text_of(client.get(ask))
    assert client.post(ask, {"reason": "On it."}).status_code == 302
    text = text_of(client.get(url))
    assert "On it." in text
    assert "olga looks at it" in text
    silence = reverse("admin:monitoring_incident_silence", args=[incident.pk, 60])
    assert client.post(silence).status_code == 302
    assert "Lift the silence…" in text_of(client.get(url))
    close = reverse("admin:monitoring_incident_close", args=[incident.pk])
    assert client.post(close).status_code == 302
    assert client.post(close).status_code == 409
    client.force_login(vic)
    assert "Acknowledge…" not in text_of(client.get(url))
    assert_clean(text_of(client.get(reverse("admin:monitoring_incident_changelist"))))
    client.force_login(person("dev", "operator@development"))
    assert client.get(url).status_code == 404
    assert client.post(ask).status_code == 404


def test_a_route_is_made_tested_and_removed_in_the_admin(client, root):
    client.force_login(root)
    add = reverse("admin:monitoring_alertroute_add")
    given = {"name": "chat", "kind": "webhook", "severity": "warning"}
    wrong = client.post(add, {**given, "address": "nowhere"})
    assert wrong.status_code == 400
    assert "An address is an http or https URL" in wrong.content.decode()
    made = text_of(client.post(add, {**given, "address": "https://example.org/t0ken"}))
    assert "whsec_" in made
    row = AlertRoute.objects.get()
    url = reverse("admin:monitoring_alertroute_change", args=[row.pk])
    assert "t0ken" not in text_of(client.get(url))
    for verb in ("test", "switch"):
        ask = reverse(f"admin:monitoring_alertroute_{verb}", args=[row.pk])
        assert row.name in text_of(client.get(ask))
        assert client.post(ask).status_code == 302
    assert Delivery.objects.get().event == "route.test"
    assert "route.test" in text_of(client.get(url))
    assert_clean(text_of(client.get(reverse("admin:monitoring_delivery_changelist"))))
    assert_clean(text_of(client.get(reverse("admin:monitoring_alertroute_changelist"))))
    client.post(reverse("admin:monitoring_alertroute_remove", args=[row.pk]))
    assert not AlertRoute.objects.exists()


def test_uptime_counts_each_minute_once(production, development):
    outage(production, 50, 0)
    outage(production, 20 * 24, 30)
    outage(production, 2, 20)
    outage(production, 2, 10, occurrence="inside the other")
    found = {row.environment.slug: row for row in uptimes([production, development])}
    row = found["production"]
    assert round(row.down.total_seconds()) == 50 * 60
    assert row.incidents == 4
    assert 0.9982 < row.share < 0.9984
    assert row.left.total_seconds() == 0
    assert sum(bool(day) for day in row.days) in (2, 3)  # midnight may lie within the last one
    assert found["development"].share is None
    assert set(found["development"].days) <= {None, 0.0}


def test_an_outage_under_way_counts_until_now(production):
    row = outage(production, 1, 0)
    Incident.objects.filter(pk=row.pk).update(closed_at=None, status="open")
    [found] = uptimes([production])
    assert 3599 < found.down.total_seconds() < 3610


def test_spans_that_touch_are_one():
    day = [dt.datetime(2026, 1, number, tzinfo=dt.UTC) for number in range(1, 6)]
    spans = [(day[2], day[4]), (day[0], day[1]), (day[1], day[3]), (day[1], day[1])]
    assert merged(spans) == [(day[0], day[4])]


def test_doras_four_figures_are_those_of_the_rows(staging, production, olga, actor):
    now = timezone.now()

    def deployed(place, status, hours, took, commit, kind="deploy"):
        row = Deployment.objects.create(
            environment=place, kind=kind, status=status, requested_by="olga",
            revision={"commit": commit},
        )  # fmt: skip
        begun = now - dt.timedelta(hours=hours)
        Deployment.objects.filter(pk=row.pk).update(
            requested_at=begun, finished_at=begun + dt.timedelta(minutes=took)
        )

    deployed(staging, "succeeded", 10, 10, "a")
    deployed(production, "succeeded", 8, 30, "a")
    deployed(production, "failed", 6, 5, "b")
    deployed(production, "succeeded", 5, 4, "a", kind="rollback")
    deployed(production, "succeeded", 800, 4, "old")
    outage(production, 6, 12)
    frequency, lead, failures, restore = dora(actor(olga), production.pk)
    assert frequency.value == pytest.approx(2 / 30)
    assert lead.value == pytest.approx((2.5 + 5 + 4 / 60) / 2 * 3600)
    assert failures.value == pytest.approx(1 / 3)
    assert restore.value == 12 * 60
    by_name = {row.name: row for row in targets(actor(olga))}
    assert (by_name["Rollback"].value, by_name["Rollback"].is_met) == (240, True)
    assert (by_name["Deployment success"].value, by_name["Deployment success"].is_met) == (
        0.75,
        False,
    )
    assert by_name["Tests"].is_met is None


def test_setup_tests_and_answers_are_figures_once_somebody_measured_them(client, olga, staging):
    from apps.accounts.actors import actor_for_user as actor

    before = {row.name: row for row in targets(actor(olga))}
    assert before["Setup"].value is None
    assert "make run" in before["Setup"].words
    assert "report_evidence" in before["Tests"].words
    call_command("record_start", "41.26")
    call_command("record_start", "9000")
    ci = person("ci", "admin")
    options = {"user": "ci", "commit": "c" * 40, "seconds": 75.5, "stdout": io.StringIO()}
    call_command("report_evidence", "tests", "passed", **options)
    client.force_login(olga)
    assert client.get("/api/v1/me/").status_code == 200
    found = {row.name: row for row in targets(actor(ci))}
    assert (found["Setup"].value, found["Setup"].is_met) == (41.3, True)
    assert (found["Tests"].value, found["Tests"].is_met) == (75.5, False)
    assert ci.username in found["Tests"].words
    assert found["API answer, p95"].of > 0
    assert 0 < found["API answer, p95"].value <= 10
    client.force_login(ci)
    for figure in found.values():
        if figure.rows != "/metrics":
            assert client.get(figure.rows).status_code == 200, figure.rows
    assert f"q={STARTED}" in found["Setup"].rows
    assert ">41 s<" in client.get(reverse("admin:metrics")).content.decode()


def test_a_hundredth_lies_in_its_bucket_by_proportion():
    assert hundredth({}, 0.95) is None
    assert hundredth({0.1: 90, 1.0: 100, math.inf: 100}, 0.95) == pytest.approx(0.55)
    assert hundredth({0.1: 0, 1.0: 0, math.inf: 10}, 0.95) == 1.0


def test_health_draws_the_incidents_of_a_day(client, olga, production, staging, incident):
    client.force_login(olga)
    text = client.get(reverse("admin:health")).content.decode()
    assert "Incidents of the last 24 hours. " in text
    assert "staging: none" in text
    drawn = lanes([staging, production])
    assert [len(lane["bars"]) for lane in drawn["lanes"]] == [0, 1]
    bar = drawn["lanes"][1]["bars"][0]
    assert bar.x >= 104
    assert bar.x + bar.width <= 104 + 992


def test_a_check_draws_its_hours_the_one_under_way_among_them(client, olga, staging):
    check = Check.objects.create(environment=staging, name="web", kind="tcp", health="healthy")
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for back, bad in ((3, 2), (2, 0)):
        CheckHour.objects.create(
            check_row=check, hour=hour - dt.timedelta(hours=back), looks=10, healthy=10 - bad,
            degraded=0, unknown=0,
        )  # fmt: skip
    CheckResult.objects.create(check_row=check, at=now, found="healthy")
    found = hours_of(check)
    assert len(found) == 24
    assert [each.tone for each in found[-4:]] == ["bad", "ok", "none", "ok"]
    assert {each.tone for each in found[:-4]} == {"none"}
    client.force_login(olga)
    address = reverse("admin:monitoring_check_change", args=[check.pk])
    text = client.get(address).content.decode()
    assert "1 of 24 hours with trouble, 21 not looked at" in text


def test_the_figures_come_over_rest_and_only_of_what_is_seen(client, olga, production, incident):
    client.force_login(olga)
    body = client.get("/api/v1/metrics/?environment=production").json()
    assert [row["environment"] for row in body["uptime"]] == ["production"]
    assert len(body["dora"]) == 4
    client.force_login(person("dev", "operator@development"))
    assert client.get("/api/v1/metrics/").json()["uptime"] == []


def test_activity_pages_back_and_shows_foreign_places_to_nobody(client, root, olga, production):
    from apps.accounts.actors import actor_for_user
    from apps.audit.services import record

    for number in range(130):
        record(actor_for_user(root), f"a.thing.done{number}", environment="production")
    client.force_login(olga)
    url = reverse("admin:activity")
    text = text_of(client.get(url))
    older = re.search(r"\?before=(\d+)", text)[1]
    assert "a.thing.done129" in text
    assert "a.thing.done29<" not in text
    assert "a.thing.done29<" in text_of(client.get(url, {"before": older}))
    client.force_login(person("dev", "operator@development"))
    assert "a.thing" not in text_of(client.get(url))
