"""A web process that stops, and one that was killed."""

import io
import time
import urllib.request

import pytest
from django.conf import settings
from django.core.management import call_command

from apps.deployments.models import Run
from apps.live.hints import wake_hubs
from apps.live.services import announce
from tests.live.web import Browser, Web

pytestmark = pytest.mark.slow


@pytest.fixture
def own_web(transactional_db):
    web = Web()
    browser = Browser(web)
    yield web, browser
    browser.close()
    if web.process.poll() is None:
        web.stop()


def test_before_it_stops_a_process_says_when_to_come_back(own_web, root):
    web, browser = own_web
    line = browser.open(root).follow("fleet")
    assert line.is_silent()
    socket = settings.LIVE_SOCKET_FOLDER / f"{web.process.pid}.sock"
    assert socket.exists()
    web.process.terminate()
    message = line.hear()
    assert message["type"] == "draining"
    assert 0 <= message["delay"] <= 3
    assert line.hear()[0] == "closed"
    web.process.wait(15)
    assert not socket.exists()


def test_a_request_at_work_does_not_hold_a_stop_up(own_web, root, development):
    web, _ = own_web
    run = Run.objects.create(stack=development.stack, operation="preview", requested_by="root")
    out = io.StringIO()
    call_command("create_token", "root", stdout=out)
    asking = urllib.request.Request(
        f"{web.url}/api/v1/runs/{run.pk}/events/?wait=25",
        headers={"Authorization": f"Bearer {out.getvalue().strip()}"},
    )
    with pytest.raises(OSError):
        urllib.request.urlopen(asking, timeout=1)
    begun = time.monotonic()
    assert web.stop() == 0
    assert time.monotonic() - begun < 8


def test_the_hint_socket_of_a_killed_process_is_cleared_away(own_web, root):
    web, browser = own_web
    line = browser.open(root).follow("fleet")
    assert line.is_silent()
    socket = settings.LIVE_SOCKET_FOLDER / f"{web.process.pid}.sock"
    web.process.kill()
    web.process.wait(15)
    assert socket.exists()
    wake_hubs()
    assert not socket.exists()
    assert line.hear()[0] == "closed"


def test_a_hub_listens_only_while_somebody_follows(own_web, root):
    web, browser = own_web
    socket = settings.LIVE_SOCKET_FOLDER / f"{web.process.pid}.sock"
    assert not socket.exists()
    line = browser.open(root).follow("fleet")
    assert line.is_silent()
    assert socket.exists()
    line.close()
    second = browser.open(root)
    second.close()
    announce("fleet", "to nobody")
    for _ in range(100):
        if not socket.exists():
            return
        second.is_silent(0.05)
    raise AssertionError("the hint socket is still there")
