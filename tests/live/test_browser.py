"""What a person sees move, in Chromium, over a real web process."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from apps.deployments.models import Run, RunEvent
from apps.live.hints import wake_hubs
from apps.live.services import announce
from tests.live.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.chromium]
HOSTILE = "<img src=x onerror=alert(1)>\u202e\u001b[31m https://evil.example"


@pytest.fixture
def run(development):
    return Run.objects.create(
        stack=development.stack, operation="preview", status="running", requested_by="olga"
    )


@pytest.fixture(scope="module", autouse=True)
def engine(chromium):
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs a loop in this thread; between its steps the ORM is ours to call.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(transactional_db, web_process, engine, root):
    client = Client()
    client.force_login(root)
    context = engine.new_context(base_url=web_process.url)
    context.add_cookies(
        [{"name": "portal_session", "value": client.session.session_key, "url": web_process.url}]
    )
    page = context.new_page()
    page.set_default_timeout(60_000)  # a busy machine reconnects late
    page.complaints = []
    page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    yield page
    context.close()


def write(run, first, last, **fields):
    RunEvent.objects.bulk_create(
        RunEvent(
            run=run, sequence=number, at=timezone.now(), kind="diagnostic",
            **{"message": f"line {number}", **fields},
        )
        for number in range(first, last + 1)
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(last_sequence=last)
    wake_hubs()


def wait_for_lines(page, count):
    page.locator(".op-log li[id]").nth(count - 1).wait_for()


def wait_for_mark(page, words):
    page.locator("[data-live]").filter(has_text=words).wait_for()


def shown(page):
    return page.eval_on_selector_all(".op-log li[id]", "rows => rows.map(row => row.id)")


def test_lines_of_a_run_appear_once_each_and_in_order(page, run):
    write(run, 1, 3)
    page.goto(f"/admin/deployments/run/{run.pk}/log/")
    wait_for_mark(page, "Live")
    write(run, 4, 40)
    write(run, 41, 60)
    wait_for_lines(page, 60)
    page.wait_for_timeout(1000)
    assert shown(page) == [f"L{number}" for number in range(1, 61)]
    assert page.complaints == []


def test_hostile_text_stays_text_in_what_comes_and_in_what_is_served(page, run):
    write(run, 1, 1)
    page.goto(f"/admin/deployments/run/{run.pk}/log/")
    wait_for_mark(page, "Live")
    write(run, 2, 2, message=HOSTILE)
    wait_for_lines(page, 2)
    for _ in range(2):
        text = page.locator("#L2 .op-msg").inner_text()
        assert "<img src=x" in text
        assert "\u202e" not in text
        assert "\u001b" not in text
        assert page.locator("#L2 img, #L2 .op-msg a").count() == 0
        page.reload()
    assert page.complaints == []


def test_a_page_moves_on_by_itself_and_keeps_the_focus(page, development):
    page.goto("/admin/environments/development/")
    wait_for_mark(page, "Live")
    page.evaluate("document.querySelector('[data-fragment] a[href]').focus()")
    focused = page.evaluate("document.activeElement.href")
    development.description = "changed"
    development.save()
    with page.expect_response(re.compile("fragment=")):
        announce("environment:development", "setting.changed", key="mcp")
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.href") == focused
    assert page.complaints == []


MORPH = """async ([before, after]) => {
  const { morph, remember } = await import("/static/portal/js/morph.js");
  const make = (html) => new DOMParser().parseFromString(html, "text/html").body.firstChild;
  const old = document.body.appendChild(document.importNode(make(before), true));
  remember(old);
  const kept = old.querySelector(".kept");
  const field = old.querySelector("input");
  if (field) { field.focus(); field.value = "half a wo"; }
  for (const part of old.querySelectorAll("details.mine")) part.open = !part.open;
  morph(old, make(after));
  const now = old.querySelector(".kept");
  return [old.outerHTML, kept === now, field && document.activeElement === field && field.value];
}"""


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (
            '<div><p>one</p><p class="kept">two</p></div>',
            '<div class="x"><p>one</p><p class="kept">2</p><b>3</b></div>',
            '<div class="x"><p>one</p><p class="kept">2</p><b>3</b></div>',
        ),
        (
            '<ol><li id="L1">1</li><li id="L2" class="kept">2</li><li id="L3">3</li></ol>',
            '<ol><li id="L2" class="kept">2</li><li id="L3">3</li><li id="L4">4</li></ol>',
            '<ol><li id="L2" class="kept">2</li><li id="L3">3</li><li id="L4">4</li></ol>',
        ),
        (
            '<ol><li id="a">a</li><li id="b" class="kept">b</li></ol>',
            '<ol><li id="b" class="kept">b</li><li id="c">c</li><li id="a">a</li></ol>',
            '<ol><li id="b" class="kept">b</li><li id="c">c</li><li id="a">a</li></ol>',
        ),
        (
            '<div><details class="kept mine"><summary>s</summary></details></div>',
            '<div><details class="kept mine"><summary>t</summary></details></div>',
            '<div><details class="kept mine" open=""><summary>t</summary></details></div>',
        ),
        (
            '<div><details class="kept"><summary>s</summary></details></div>',
            '<div><details class="kept" open=""><summary>failed</summary></details></div>',
            '<div><details class="kept" open=""><summary>failed</summary></details></div>',
        ),
    ],
)
def test_a_part_becomes_what_the_server_rendered_and_keeps_its_elements(page, before, after, shown):
    page.goto("/admin/login/")
    html, kept, _ = page.evaluate(MORPH, [before, after])
    assert (html, kept) == (shown, True)


def test_a_field_that_is_being_filled_in_is_left_alone(page):
    page.goto("/admin/login/")
    before = '<div><p class="kept">1</p><input value=""></div>'
    after = '<div><p class="kept">2</p><input value="served"></div>'
    html, _, field = page.evaluate(MORPH, [before, after])
    assert field == "half a wo"
    assert '<p class="kept">2</p>' in html


def test_with_sockets_blocked_the_page_says_so_and_reads_by_itself(page, run):
    page.clock.install()
    page.route_web_socket(re.compile("/ws/live/"), lambda socket: socket.close())
    page.goto(f"/admin/deployments/run/{run.pk}/log/")
    write(run, 1, 2)
    page.clock.fast_forward(21_000)
    page.clock.run_for(3_000)
    wait_for_mark(page, "Stale since")
    assert page.locator("#live-call").inner_text().startswith("The live stream stopped at")
    wait_for_lines(page, 2)


def test_after_the_web_process_came_back_the_page_has_everything(page, run, web_process):
    topic_page = f"/admin/deployments/run/{run.pk}/log/"
    write(run, 1, 1)
    own = Web()
    try:
        page.context.add_cookies(
            [{**cookie, "url": own.url} for cookie in _cookies(page.context.cookies())]
        )
        page.goto(f"{own.url}{topic_page}")
        wait_for_mark(page, "Live")
        own.process.kill()
        own.process.wait(10)
        write(run, 2, 9)
        own = Web(own.port)
        wait_for_lines(page, 9)
        assert shown(page) == [f"L{number}" for number in range(1, 10)]
    finally:
        own.stop()


def _cookies(cookies):
    return [{"name": cookie["name"], "value": cookie["value"]} for cookie in cookies]


def test_without_scripts_the_page_is_whole(engine, web_process, page, run):
    write(run, 1, 3)
    context = engine.new_context(java_script_enabled=False)
    context.add_cookies(
        [{**cookie, "url": web_process.url} for cookie in _cookies(page.context.cookies())]
    )
    plain = context.new_page()
    plain.goto(f"{web_process.url}/admin/deployments/run/{run.pk}/log/")
    assert plain.locator(".op-log li[id]").count() == 3
    assert plain.locator("[data-live]").inner_text().startswith("As of")
    context.close()


def test_the_counts_of_the_frame_move_on_a_page_that_shows_something_else(page, development):
    from apps.deployments.models import Deployment
    from apps.deployments.runner.announcing import announce_deployment
    from apps.environments.models import Protection
    from apps.monitoring.models import Check

    Protection.objects.get_or_create(environment=development)
    page.goto("/admin/environments/port/")
    wait_for_mark(page, "Live")
    head, side = '[data-fragment="head-approvals"]', '[data-fragment="side-approvals"]'
    assert (page.inner_text(head), page.inner_text(side)) == ("0", "")
    row = Deployment.objects.create(
        environment=development, status="awaiting_approval", requested_by="olga"
    )
    Check.objects.create(
        environment=development, name="memory", kind="http", health="unreachable", health_reason="x"
    )
    announce_deployment(row)
    page.wait_for_selector(f'{side} [title="1 await a decision, 1 yours"]')
    assert page.inner_text(head) == "1"
    assert page.inner_text('[data-fragment="side-trouble"]') == "1"
    assert page.inner_text('[data-fragment="health-development"]').strip() == "unreachable"
    assert page.complaints == []
