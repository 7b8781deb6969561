"""The embedded topology's broker: messages appear whole, and wake whoever waits for them."""

import json
import os
import threading
import time

import pytest
from kombu import Connection, Consumer, Producer, Queue

from orchestra_portal import broker

broker.register()


@pytest.fixture
def options(tmp_path):
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "control_folder": str(tmp_path / "control"),
    }


@pytest.fixture
def connect(options):
    made = []

    def make():
        made.append(Connection("filesystem://", transport_options=options))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def consume(connection, got):
    return Consumer(
        connection.channel(),
        [Queue("celery")],
        callbacks=[lambda body, message: (got.append(body), message.ack())],
        accept=["json"],
    )


def send(connection, body):
    Producer(connection.channel()).publish(body, routing_key="celery")


def test_the_portals_transport_stands_for_filesystem(connect):
    assert isinstance(connect().transport, broker.Transport)


def test_messages_come_once_and_in_their_order(connect):
    got = []
    taker, sender = connect(), connect()
    with consume(taker, got):
        for number in range(20):
            send(sender, {"n": number})
        for _ in range(20):
            taker.drain_events(timeout=1)
        with pytest.raises(TimeoutError):
            taker.drain_events(timeout=0.01)
    assert [body["n"] for body in got] == list(range(20))


def test_a_message_that_is_being_written_is_seen_by_nobody(connect, tmp_path, monkeypatch):
    """Its file has another name until it is whole, so nobody reads half a message."""
    listed = []
    rename = broker.Path.rename

    def look_first(path, target):
        if target.suffix != ".msg":
            return rename(path, target)
        listed.extend(sorted(file.name for file in (tmp_path / "messages").iterdir()))
        with consume(taker, []), pytest.raises(TimeoutError):
            taker.drain_events(timeout=0.01)
        assert json.loads(path.read_text())
        return rename(path, target)

    taker, sender = connect(), connect()
    monkeypatch.setattr(broker.Path, "rename", look_first)
    send(sender, {"n": 1})
    assert len(listed) == 1
    assert listed[0].startswith(".")


def test_a_waiting_consumer_is_woken_long_before_it_would_look_by_itself(connect, monkeypatch):
    monkeypatch.setattr(broker, "NET_SECONDS", 30.0)
    got = []
    taker, sender = connect(), connect()
    with consume(taker, got):
        with pytest.raises(TimeoutError):
            taker.drain_events(timeout=0.01)  # makes its pipe
        late = threading.Timer(0.2, send, (sender, {"n": 1}))
        late.start()
        began = time.monotonic()
        taker.drain_events(timeout=30)
        late.join()
    assert got == [{"n": 1}]
    assert time.monotonic() - began < 15


def test_a_consumer_that_nobody_woke_looks_by_itself(connect, monkeypatch):
    monkeypatch.setattr(broker, "NET_SECONDS", 0.05)
    got = []
    taker, sender = connect(), connect()
    with consume(taker, got):
        with pytest.raises(TimeoutError):
            taker.drain_events(timeout=0.01)
        monkeypatch.setattr(broker, "wake", lambda _folder: None)
        late = threading.Timer(0.2, send, (sender, {"n": 1}))
        late.start()
        taker.drain_events(timeout=30)
        late.join()
    assert got == [{"n": 1}]


def test_a_closed_consumer_leaves_no_pipe(connect, tmp_path):
    taker = connect()
    with consume(taker, []), pytest.raises(TimeoutError):
        taker.drain_events(timeout=0.01)
    ears = tmp_path / "control" / "ears"
    assert len(list(ears.iterdir())) == 1
    taker.close()
    assert list(ears.iterdir()) == []


def test_the_pipe_of_a_killed_consumer_is_removed_by_the_next_sender(connect, tmp_path):
    ears = tmp_path / "control" / "ears"
    ears.mkdir()
    os.mkfifo(ears / "1-dead.ear")
    send(connect(), {"n": 1})
    assert list(ears.iterdir()) == []


def test_a_folder_that_takes_nothing_is_told_with_its_name(connect, options):
    sender = connect()
    options["data_folder_out"] = "/proc/nowhere"
    with pytest.raises(Exception, match="could not be put into /proc/nowhere"):
        sender.channel()._put("celery", {"n": 1})
