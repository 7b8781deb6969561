"""A log of 100,000 lines in Chromium: quick to open, to scroll and to leave, whole at both ends."""

import time

import pytest
from django.utils import timezone

from apps.deployments.models import RunEvent
from tests.live.test_browser import engine, page, run, wait_for_mark  # noqa: F401 - fixtures

pytestmark = [pytest.mark.slow, pytest.mark.chromium]
LINES = 100_000
COUNT = "document.querySelectorAll('.op-log li').length"


@pytest.fixture
def long_run(run):  # noqa: F811 - the fixture
    now = timezone.now()
    for start in range(0, LINES, 5000):
        RunEvent.objects.bulk_create(
            RunEvent(run=run, sequence=n, at=now, kind="diagnostic", message=f"line {n} of many")
            for n in range(start + 1, start + 5001)
        )
    run.last_sequence, run.status, run.finished_at = LINES, "succeeded", now
    run.started_at = now
    run.save()
    return run


def numbers(page):  # noqa: F811 - the fixture
    return page.evaluate("[...document.querySelectorAll('.op-log li')].map((r) => +r.id.slice(1))")


def test_a_hundred_thousand_lines_stay_quick(page, long_run):  # noqa: F811 - the fixture
    begun = time.monotonic()
    page.goto(f"/admin/deployments/run/{long_run.pk}/log/")
    opened = time.monotonic() - begun
    assert numbers(page) == list(range(LINES - 499, LINES + 1))
    waits = []
    for _ in range(8):
        first = numbers(page)[0]
        began = time.monotonic()
        page.evaluate("window.scrollTo(0, 0)")
        page.mouse.wheel(0, -200)
        page.wait_for_selector(f"#L{first - 1}", state="attached")
        waits.append(time.monotonic() - began)
    shown = numbers(page)
    assert shown == list(range(shown[0], shown[0] + len(shown))), "no gap, no repetition"
    assert len(shown) <= 2000
    assert "are not on this page" in page.inner_text("#gap-after")
    frame = page.evaluate(
        """async () => {
          const room = document.scrollingElement, times = [];
          let before = performance.now();
          for (let step = 0; step < 60; step += 1) {
            room.scrollTop = 2000 + step * 300;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            times.push(now - before);
            before = now;
          }
          return times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)];
        }"""
    )
    print(  # noqa: T201 - the figure is what this is for
        f"\n{LINES} lines: opened in {opened:.2f} s, 500 more lines in {max(waits):.2f} s at most,"
        f" a scrolled frame in {frame:.0f} ms (p95), {page.evaluate(COUNT)} lines in the page"
    )
    assert opened < 5
    assert max(waits) < 5
    assert page.complaints == []


def test_the_time_is_chosen_remembered_and_works_without_scripts(page, long_run, client):  # noqa: F811 - the fixture
    address = f"/admin/deployments/run/{long_run.pk}/log/"
    page.goto(address)
    wait_for_mark(page, "Live")
    since, clock = ".op-log li:last-child .op-since", ".op-log li:last-child .op-at time"
    assert page.is_visible(since)
    assert not page.is_visible(clock)
    page.click('[data-log-time-link="clock"]')
    assert page.is_visible(clock)
    assert not page.is_visible(since)
    page.goto(address)
    assert page.is_visible(clock), "remembered"
    page.goto(f"{address}?time=since")
    assert page.is_visible(since), "an address that says so wins"
    assert page.complaints == []
