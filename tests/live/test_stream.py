"""From a row to a browser, over a real web process and real sockets."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.deployments.models import Run, RunEvent
from apps.live.hints import wake_hubs
from apps.live.hub import GAP_ROWS
from apps.live.models import Message
from apps.live.services import announce

pytestmark = pytest.mark.slow


@pytest.fixture
def run(development):
    return Run.objects.create(stack=development.stack, operation="preview", requested_by="olga")


def write(run, first, last):
    RunEvent.objects.bulk_create(
        RunEvent(run=run, sequence=n, at=timezone.now(), kind="diagnostic", message=f"line {n}")
        for n in range(first, last + 1)
    )
    wake_hubs()


def sequences(items):
    return [item["sequence"] for item in items]


def test_a_row_reaches_everybody_who_follows_its_topic_and_nobody_else(browser, root, run):
    one, two, other = (browser.open(root) for _ in range(3))
    one.follow("fleet")
    two.follow("fleet")
    other.follow("gpu")
    assert one.is_silent()
    announce("fleet", "deployment.changed", environment="development", deployment=7)
    (item,) = one.items(1, "fleet")
    assert item["kind"] == "deployment.changed"
    assert item["payload"] == {"environment": "development", "deployment": 7}
    assert item["sequence"] == Message.objects.latest("pk").pk
    assert two.items(1, "fleet") == [item]
    assert other.is_silent()


def test_a_row_that_is_rolled_back_reaches_nobody(browser, root, development):
    line = browser.open(root).follow("fleet")
    with transaction.atomic():
        announce("fleet", "deployment.changed", environment="development")
        transaction.set_rollback(True)
    assert line.is_silent(1.3)


def test_events_of_a_run_come_in_order_from_where_the_page_left_off(browser, root, run):
    write(run, 1, 30)
    line = browser.open(root).follow(f"run:{run.pk}", after=12)
    items = line.items(18)
    assert sequences(items) == list(range(13, 31))
    assert items[0]["payload"]["message"] == "line 13"
    write(run, 31, 33)
    assert sequences(line.items(3)) == [31, 32, 33]


def test_without_a_sequence_only_what_comes_is_told(browser, root, run):
    write(run, 1, 5)
    line = browser.open(root).follow(f"run:{run.pk}")
    assert line.is_silent()
    write(run, 6, 6)
    assert sequences(line.items(1)) == [6]


def test_a_reconnect_in_the_middle_of_a_storm_gets_each_event_exactly_once(browser, root, run):
    topic, total, pause = f"run:{run.pk}", 1500, threading.Event()

    def storm():
        for first in range(1, total, 10):
            write(run, first, first + 9)
            pause.wait(0.004)
        connection.close()

    steady = browser.open(root).follow(topic, after=0)
    writer = threading.Thread(target=storm)
    writer.start()
    seen, cuts = [], 0
    while len(seen) < total:
        line = browser.open(root).follow(topic, after=len(seen))
        target = min(len(seen) + 150, total)
        while len(seen) < target:
            seen += sequences(line.items(1))
        line.close()
        cuts += 1
    writer.join()
    assert seen == list(range(1, total + 1))
    assert cuts >= 3
    assert sequences(steady.items(total)) == seen


def test_a_gap_too_long_to_replay_sends_the_page_to_read_again(browser, root, run):
    topic, last = f"run:{run.pk}", GAP_ROWS + 10
    write(run, 1, last)
    line = browser.open(root).follow(topic, after=3)
    assert line.hear() == {"type": "resync", "topic": topic, "after": last}
    write(run, last + 1, last + 1)
    assert sequences(line.items(1)) == [last + 1]


def test_a_sequence_that_nobody_gave_sends_the_page_to_read_again(browser, root, run):
    write(run, 1, 3)
    line = browser.open(root).follow(f"run:{run.pk}", after=900)
    assert line.hear() == {"type": "resync", "topic": f"run:{run.pk}", "after": 3}
    write(run, 4, 4)
    assert sequences(line.items(1)) == [4]


def test_a_lost_hint_costs_a_second_at_most(browser, root, development):
    line = browser.open(root).follow("fleet")
    assert line.is_silent()
    Message.objects.create(topic="fleet", kind="unheard")
    assert line.items(1)[0]["kind"] == "unheard"


def test_after_unsubscribing_nothing_comes(browser, root, development):
    line = browser.open(root).follow("fleet").follow("gpu")
    line.say(type="unsubscribe", topic="fleet")
    assert line.is_silent()
    announce("fleet", "deployment.changed", environment="development")
    announce("gpu", "pool.changed")
    assert line.hear()["topic"] == "gpu"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"type": 3}',
        '{"type": "subscribe"}',
        "[" * 4000,
        "x" * 5000,
        '{"type": "subscribe", "topic": "fleet", "after": -1}',
        '{"type": "subscribe", "topic": "fleet", "after": true}',
        '{"type": "subscribe", "topic": "fleet", "after": 99999999999999999999}',
        '{"type": "subscribe", "topic": ["fleet"]}',
        '{"type": "deploy"}',
    ],
)
def test_a_message_nobody_can_read_is_refused_and_the_socket_stays(browser, root, text):
    line = browser.open(root)
    browser.run(line.socket.send_str(text))
    assert line.hear()["code"] == "message.invalid"
    line.follow("fleet")
    assert line.is_silent(0.2)
    announce("fleet", "still here")
    assert line.items(1)


def test_a_flood_ends_the_socket(browser, root):
    line = browser.open(root)
    for _ in range(201):
        line.say(type="pong")
    assert line.hear() == ("closed", 4429)


def test_nobody_follows_more_topics_than_a_page_has(browser, root, run):
    line = browser.open(root)
    Run.objects.bulk_create(
        Run(stack=run.stack, operation="preview", mutating=False, requested_by="x")
        for _ in range(45)
    )
    for pk in Run.objects.order_by("pk").values_list("pk", flat=True)[:41]:
        line.follow(f"run:{pk}")
    assert line.hear()["code"] == "topics.too_many"
