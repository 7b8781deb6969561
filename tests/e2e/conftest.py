"""A portal that is really running, and a browser that is logged in to it."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import sync_playwright

from tests.servers import free_port
from tests.start.stack import READY, run_stack

# Without these Chromium looks for hosts outside, which no test may need.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOVE_PORT = """
import django; django.setup()
from apps.core.permissions import system
from apps.environments.models import Port, Setting
from apps.environments.services import set_setting
Port.objects.filter(environment__slug="development", owner="memory").update(port={port})
value = Setting.objects.get(environment__slug="development", key="mcp").value
value["servers"][0]["port"] = {port}
set_setting(system("test"), environment="development", key="mcp", value=value)
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """The whole stack, with the memory server on a port that is free here."""
    home = tmp_path_factory.mktemp("portal")
    with run_stack(home) as stack:
        stack.wait_for(READY, 120)
        stack.memory_port = free_port()
        subprocess.run(
            [sys.executable, "-c", MOVE_PORT.format(port=stack.memory_port)],
            env=stack.place.environment(),
            cwd=stack.place.root,
            check=True,
        )
        yield stack


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def page(portal, browser):
    """Logged in as the administrator whose password was shown once; a noisy console fails."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    # A refused confirmation is a page of status 400, which Chromium also tells the console.
    noise = []
    refused = "status of 400"
    opened.on(
        "console",
        lambda m: (
            noise.append(m.text)
            if m.type in ("error", "warning") and refused not in m.text
            else None
        ),
    )
    opened.on("pageerror", lambda error: noise.append(str(error)))
    password = re.search(r"password\s+(\S+)", portal.text).group(1)
    opened.goto(f"{portal.place.url}admin/")
    opened.fill("#id_username", "admin")
    opened.fill("#id_password", password)
    opened.click("input[type=submit]")
    opened.wait_for_selector("h1")
    yield opened
    context.close()
    assert not noise, noise
