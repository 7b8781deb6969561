"""Each page that looks at everything: it moves by itself, says when it is stale, and is whole."""

import re

import pytest
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.environments.models import Protection, Setting
from apps.environments.services import record_start
from apps.live.services import announce
from apps.monitoring.incidents import open_incident
from apps.monitoring.models import Check, CheckResult, IncidentEntry
from tests.live.test_browser import engine, page, wait_for_mark  # noqa: F401 - fixtures

pytestmark = [pytest.mark.slow, pytest.mark.chromium]
TEST = system("test")


@pytest.fixture
def pages(transactional_db, development):
    """Address → what changes on it → the words that must appear."""
    Protection.objects.get_or_create(environment=development)
    check = Check.objects.create(environment=development, name="web", kind="tcp", health="healthy")
    incident = open_incident(
        development, source="portal", key="k", thing="thing", severity="warning", reason="because"
    )
    incidents = {"source": "portal", "severity": "critical", "reason": "it moved"}
    return {
        "/admin/": (trouble(development), "moved-at-home"),
        "/admin/environments/development/": (done(development, "moved-here"), "moved-here"),
        "/admin/environments/environment/matrix/?show=all": (setting(development), "moved.key"),
        "/admin/health/": (
            lambda: open_incident(development, key="m", thing="moved-thing", **incidents),
            "moved-thing",
        ),
        f"/admin/monitoring/incident/{incident.pk}/change/": (
            lambda: IncidentEntry.objects.create(incident=incident, kind="said", text="moved-line"),
            "moved-line",
        ),
        f"/admin/monitoring/check/{check.pk}/change/": (
            lambda: CheckResult.objects.create(
                check_row=check, at=timezone.now(), found="unreachable", reason="moved-look"
            ),
            "moved-look",
        ),
        "/admin/activity/": (done(development, "moved-again"), "moved-again"),
        "/admin/metrics/": (lambda: record_start(actor=TEST, seconds=47), "47 s"),
    }


def trouble(place):
    return lambda: Check.objects.create(
        environment=place, name="moved-at-home", kind="tcp", health="unreachable"
    )


def done(place, name):
    return lambda: record(TEST, "tests.page.moved", environment=place.slug, name=name)


def setting(place):
    return lambda: Setting.objects.create(
        environment=place, key="moved.key", kind="text", value="here"
    )


def tell(place):
    for topic in ("fleet", "monitoring", f"environment:{place.slug}"):
        announce(topic, "tests.moved", environment=place.slug)


def test_a_change_appears_on_each_page_without_a_reload(page, pages, development):  # noqa: F811 - the fixture
    for address, (change, words) in pages.items():
        page.goto(address)
        wait_for_mark(page, "Live")
        assert page.locator("main").get_by_text(words).count() == 0, address
        page.evaluate("window.stays = true")
        change()
        tell(development)
        page.locator("main").get_by_text(words).first.wait_for(state="attached")
        assert page.evaluate("window.stays"), f"{address} was loaded again"
    assert page.complaints == []


def test_each_page_says_since_when_it_is_stale(page, pages):  # noqa: F811 - the same
    page.clock.install()
    page.route_web_socket(re.compile("/ws/live/"), lambda socket: socket.close())
    for address in pages:
        page.goto(address)
        page.clock.fast_forward(21_000)
        page.clock.run_for(3_000)
        wait_for_mark(page, "Stale since")
        assert page.locator("#live-call").inner_text().startswith("The live stream stopped at")


def test_each_page_is_whole_without_scripts(engine, web_process, page, pages):  # noqa: F811 - the same
    for change, _ in pages.values():
        change()
    context = engine.new_context(java_script_enabled=False)
    context.add_cookies(
        [
            {"name": each["name"], "value": each["value"], "url": web_process.url}
            for each in page.context.cookies()
        ]
    )
    plain = context.new_page()
    for address, (_, words) in pages.items():
        plain.goto(f"{web_process.url}{address}")
        assert plain.locator("main").get_by_text(words).count(), address
        assert plain.locator("[data-live]").inner_text().startswith("As of"), address
    context.close()
