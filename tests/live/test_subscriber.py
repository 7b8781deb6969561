"""The bounded queue of one socket, and the hub's hand-over, without a server."""

import asyncio
import json

import pytest

from apps.core.permissions import Actor
from apps.live import subscriber as module
from apps.live.frames import Frame
from apps.live.subscriber import Subscriber, Subscription
from apps.live.topics import Row

EVERYWHERE = Actor(kind="user", id=1, name="vic", grants=frozenset({("viewer", "*")}))


def frame(first, last=None, topic="run:1", size=1):
    rows = [
        Row(n, "diagnostic", "", {"message": "x" * size}) for n in range(first, (last or first) + 1)
    ]
    return Frame(topic, rows, wide=False)


def following(*topics, cursor=0):
    subscriber = Subscriber(EVERYWHERE)
    for topic in topics or ("run:1",):
        subscriber.subscriptions[topic] = Subscription(topic, cursor)
    return subscriber


async def sent(subscriber):
    """What goes out until nothing may."""
    texts = []
    while True:
        try:
            texts.append(json.loads(await asyncio.wait_for(subscriber.next_text(), 0.02)))
        except TimeoutError:
            return texts


def sequences(texts):
    return [
        item["sequence"] for text in texts if text["type"] == "messages" for item in text["items"]
    ]


@pytest.mark.asyncio
async def test_rows_go_out_in_order_and_none_twice():
    subscriber = following()
    for part in (frame(1, 3), frame(1, 3), frame(4), frame(2)):
        subscriber.hand_over(part)
    assert sequences(await sent(subscriber)) == [1, 2, 3, 4]


@pytest.mark.asyncio
async def test_when_too_much_waits_all_of_it_is_dropped_and_the_page_is_told():
    subscriber = following("run:1", "fleet")
    subscriber.hand_over(frame(1, topic="fleet"))
    for number in range(1, module.QUEUE_FRAMES + 5):
        subscriber.hand_over(frame(number))
    texts = await sent(subscriber)
    assert sorted((text["topic"], text["after"]) for text in texts) == [
        ("fleet", 1),
        ("run:1", module.QUEUE_FRAMES + 4),
    ]
    subscriber.hand_over(frame(module.QUEUE_FRAMES + 5))
    assert sequences(await sent(subscriber)) == [module.QUEUE_FRAMES + 5]


@pytest.mark.asyncio
async def test_a_few_huge_frames_overflow_too():
    subscriber = following()
    for number in (1, 2, 3):
        subscriber.hand_over(frame(number, size=module.QUEUE_BYTES // 2))
    assert [text["type"] for text in await sent(subscriber)] == ["resync"]
    assert subscriber.facts()["bytes"] == 0


@pytest.mark.asyncio
async def test_a_client_that_confirms_gets_no_more_than_a_window_at_once():
    subscriber = following()
    subscriber.beat()
    subscriber.confirm()
    size = module.PROBE_BYTES + 1
    for number in range(1, 8):
        subscriber.hand_over(frame(number, size=size))
    first = await sent(subscriber)
    assert subscriber.is_behind
    assert 0 < len(sequences(first)) < 7
    assert any(text["type"] == "heartbeat" for text in first)
    rest = []
    for _ in range(20):
        subscriber.confirm()
        rest += await sent(subscriber)
    assert sequences(first) + sequences(rest) == list(range(1, 8))


@pytest.mark.asyncio
async def test_heartbeats_pass_rows_that_wait_and_name_the_last_sequence():
    subscriber = following(cursor=5)
    subscriber.hand_over(frame(6, 9))
    subscriber.beat()
    first, second = await sent(subscriber)
    assert first == {"type": "heartbeat", "last": {"run:1": 9}}
    assert sequences([second]) == [6, 7, 8, 9]


@pytest.mark.asyncio
async def test_rows_wait_for_the_gap_before_them():
    subscriber = following()
    subscriber.subscriptions["run:1"].pending = []
    subscriber.hand_over(frame(5))
    assert await sent(subscriber) == []
    assert [part.last for part in subscriber.subscriptions["run:1"].pending] == [5]


@pytest.mark.asyncio
async def test_a_topic_left_meanwhile_sends_nothing():
    subscriber = following()
    subscriber.hand_over(frame(1))
    del subscriber.subscriptions["run:1"]
    subscriber.hand_over(frame(2))
    assert sequences(await sent(subscriber)) in ([], [1])


def test_a_frame_is_made_text_once_for_all_who_see_the_same(monkeypatch):
    made = []
    monkeypatch.setattr("apps.live.frames.messages", lambda *_: made.append(1) or "{}")
    part = Frame("fleet", [Row(1, "x", "", {}, "staging")], wide=True)
    for places in (None, None, frozenset({"staging"}), frozenset({"staging"}), frozenset()):
        part.text_for(places)
    assert len(made) == 3
