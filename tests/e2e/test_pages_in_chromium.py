"""
The pages as a browser sees them: under the strict policy the console stays silent, nothing is asked
of another host, nothing scrolls sideways, and axe-core finds nothing, in both themes and widths.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.conftest import make_environment
from tests.dashboard.conftest import (  # noqa: F401 - fixtures
    busy_places,
    deployment,
    plan,
    server,
)
from tests.e2e.conftest import FLAGS

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# The numbers of a log's lines are 20 px high; the field that goes to a line is the equal control.
OPTIONS = {"runOnly": RULES}
PAGES = (
    "/admin/",
    "/admin/environments/development/",
    "/admin/environments/production/",
    "/admin/deployments/deployment/",
    "/admin/deployments/deployment/{row}/change/",
    "/admin/deployments/deployment/{row}/apply/",
    "/admin/deployments/deployment/{failed}/change/",
    "/admin/deployments/deployment/deploy/production/",
    "/admin/deployments/run/{run}/log/",
    "/admin/mcp/mcpserver/{server}/change/",
    "/admin/monitoring/check/{check}/change/",
    "/admin/environments/freeze/",
)
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


def browse(chromium, live_server, client, user, scenario, *, width=1440, **options):
    """
    Runs `scenario(page)` in a browser where the user is logged in, and returns what it returns.

    In a thread of its own: Playwright's loop and the database of the test do not share one.
    """
    client.force_login(user)
    cookie = {
        "name": "portal_session",
        "value": client.cookies["portal_session"].value,
        "url": live_server.url,
    }

    def run():
        with sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            context = started.new_context(viewport={"width": width, "height": 900}, **options)
            context.add_cookies([cookie])
            try:
                return scenario(context.new_page())
            finally:
                started.close()

    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(run).result()


@pytest.fixture
def addresses(busy_places, staging, development, deployment, server):  # noqa: F811
    from apps.mcp.models import McpServer

    row, run = deployment(
        staging, "awaiting_approval", plan=plan(update=1, delete=1), fingerprint="7d3f91c2b4e05a6d"
    )
    failed, _ = deployment(development, "failed", plan=plan(update=1), status_reason="No.")
    one = McpServer.objects.first()
    keys = {"row": row.pk, "failed": failed.pk, "run": run.pk, "server": one.pk}
    return [page.format(check=one.check_row_id, **keys) for page in PAGES]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_has_a_finding(chromium, live_server, client, olga, addresses, width, scheme):
    def scenario(page):
        axe, found = Axe(), []
        for address in addresses:
            assert page.goto(live_server.url + address).status == 200, address
            for finding in axe.run(page, options=OPTIONS).response["violations"]:
                nodes = [node["target"][0] for node in finding["nodes"]]
                if finding["id"] == "target-size":
                    nodes = [node for node in nodes if not node.startswith("#L")]
                if nodes:
                    found.append((address, finding["id"], nodes[:3]))
        return found

    looks = {"width": width, "color_scheme": scheme, "bypass_csp": True}
    assert browse(chromium, live_server, client, olga, scenario, **looks) == []


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_console_is_silent_and_nothing_leaves_the_portal(
    chromium, live_server, client, olga, addresses, width, scheme
):
    noise, asked = [], []

    def scenario(page):
        # The test's own server has no sockets: that the stream is refused is all that is said.
        page.on("console", lambda m: None if "/ws/live/" in m.text else noise.append(m.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        for address in addresses:
            page.goto(live_server.url + address)
            page.wait_for_load_state("networkidle")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0, f"{address} scrolls sideways"

    looks = {"width": width, "color_scheme": scheme}
    browse(chromium, live_server, client, olga, scenario, **looks)
    assert noise == []
    own = (live_server.url, live_server.url.replace("http:", "ws:"))
    assert [url for url in asked if not url.startswith(own)] == []


def test_every_page_is_complete_without_javascript(chromium, live_server, client, olga, addresses):
    def scenario(page):
        for address in addresses:
            page.goto(live_server.url + address)
            assert page.locator("h1").count() == 1, address
            assert page.locator("#nav-sidebar").is_visible()
            assert page.locator(".op-live-text").inner_text().startswith("As of ")

    browse(chromium, live_server, client, olga, scenario, java_script_enabled=False)


def test_keys_and_menus_move_and_change_nothing(chromium, live_server, client, olga, addresses):
    def scenario(page):
        page.goto(live_server.url + "/admin/deployments/deployment/")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.closest('#result_list') !== null")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "searchbar"
        page.locator("main").focus()
        page.click("#user-tools details:not(.op-menu-nav) summary")
        assert page.locator("#logout-form").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#logout-form").is_visible()
        page.keyboard.press("g")
        page.keyboard.press("h")
        page.wait_for_url(live_server.url + "/admin/")

    browse(chromium, live_server, client, olga, scenario)


LANE = """[...document.querySelectorAll(".op-lane > *")]
    .filter((part) => getComputedStyle(part).display !== "none")
    .map((part) => [part.matches(".op-lane-env"), part.getBoundingClientRect().toJSON()])"""


@pytest.mark.parametrize(("width", "columns"), [(1440, 4), (1000, 2), (390, 1)])
def test_the_lane_has_whole_rows_however_many_environments_there_are(
    chromium, live_server, client, olga, development, width, columns
):
    for number in range(10):
        make_environment(f"team-{number}", "integration", 20 + number, "bronze")

    def scenario(page):
        page.goto(f"{live_server.url}/admin/")
        band = page.locator(".op-band-word").evaluate("word => word.scrollWidth > innerWidth")
        return page.evaluate(LANE), band

    parts, is_cut = browse(chromium, live_server, client, olga, scenario, width=width)
    cards = [box for is_card, box in parts if is_card]
    assert len(cards) == 11
    assert len({round(card["width"]) for card in cards}) == 1
    assert cards[0]["width"] > width / columns / 2
    rows = {}
    for card in cards:
        rows.setdefault(round(card["top"]), []).append(card)
    assert [len(row) for row in rows.values()] == [columns] * (11 // columns) + (
        [11 % columns] if 11 % columns else []
    )
    assert not is_cut
