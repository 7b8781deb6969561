"""What only PostgreSQL does. Run by test_postgres.py in a session whose database is one."""

import threading
import time

import pytest
from django.db import connection, transaction

from apps.live.models import Message
from apps.live.services import announce
from tests.live.web import Browser, Web

pytestmark = pytest.mark.slow


@pytest.fixture
def far_web(transactional_db, tmp_path):
    """A web process of another host: no datagram of ours reaches it."""
    assert connection.vendor == "postgresql"
    web = Web(home=tmp_path)
    browser = Browser(web)
    yield browser
    browser.close()
    web.stop()


def test_a_hub_on_another_host_is_woken_by_the_database(far_web, root, development):
    line = far_web.open(root).follow("fleet")
    assert line.is_silent(1.5)
    delays = []
    for number in range(8):
        begun = time.monotonic()
        announce("fleet", "moved", number=number)
        line.items(1)
        delays.append(time.monotonic() - begun)
        # Right after the poll of the net, so that only a hint is quicker than the next one.
        time.sleep(0.15)
    assert sorted(delays)[6] < 0.4, delays


def test_messages_are_seen_in_the_order_of_their_sequence(browser, root, development):
    """The slow transaction began first: the quick one waits for it, and none is skipped."""
    line = browser.open(root).follow("fleet")
    assert line.is_silent()
    announced, go_on = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            announce("fleet", "slow")
            announced.set()
            go_on.wait(5)
        connection.close()

    def quick():
        announce("fleet", "quick")
        connection.close()

    threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
    threads[0].start()
    announced.wait(5)
    threads[1].start()
    assert line.is_silent(1.3)
    go_on.set()
    for thread in threads:
        thread.join()
    assert [item["kind"] for item in line.items(2)] == ["slow", "quick"]
    assert list(Message.objects.values_list("kind", flat=True)) == ["slow", "quick"]


def test_after_the_listening_connection_was_cut_rows_still_come(far_web, root, development):
    line = far_web.open(root).follow("fleet")
    assert line.is_silent()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    announce("fleet", "after the cut")
    assert line.items(1)[0]["kind"] == "after the cut"
