"""
One tail per web process: it reads what is new for all its sockets at once, makes it text once, and
hands it over. It reads when a hint comes, and otherwise once a second as long as somebody follows
anything. Nothing of it is truth: a socket that lost something asks the same tables again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from apps.live.drain import before_shutdown
from apps.live.frames import Frame
from apps.live.subscriber import Subscriber, Subscription
from apps.live.topics import Row, Source, kind_of
from apps.live.wake import Datagrams, listen_to_postgres

log = structlog.get_logger(__name__)
T = TypeVar("T")
Goodbye = Callable[[], Awaitable[None]]

# Between two reads, so that many hints make one frame; slower when a flush itself takes long.
FLUSH_SECONDS = 0.02
FLUSH_SECONDS_MOST = 0.2
POLL_SECONDS = 1.0
POLL_SECONDS_WITHOUT_HINTS = 0.2
HEARTBEAT_SECONDS = 15.0
TAIL_ROWS = 2000
# A longer gap is not replayed: the page is read again.
GAP_ROWS = 5000
GAP_PAGE = 500


class Hub:
    """Sockets, what they follow, and how far each topic has been read."""

    def __init__(self) -> None:
        self._subscribers: dict[Subscriber, Goodbye] = {}
        self._followers: dict[str, set[Subscriber]] = defaultdict(set)
        self._positions: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._datagrams = Datagrams(self._wake.set)
        # Threads of our own keep their database connections: one for the tail, one for questions.
        self._tail_thread = ThreadPoolExecutor(1, thread_name_prefix="live-tail")
        self._ask_thread = ThreadPoolExecutor(1, thread_name_prefix="live-ask")
        before_shutdown(lambda: list(self._subscribers.values()))

    # Sockets come and go -------------------------------------------------------------------------

    def join(self, subscriber: Subscriber, goodbye: Goodbye) -> None:
        """`goodbye` is awaited when the process stops."""
        self._subscribers[subscriber] = goodbye
        if not self._tasks:
            hinted = self._datagrams.open()
            self._tasks = [
                asyncio.create_task(
                    self._run(POLL_SECONDS if hinted else POLL_SECONDS_WITHOUT_HINTS)
                ),
                asyncio.create_task(self._beat()),
                asyncio.create_task(listen_to_postgres(self._wake.set)),
            ]

    def leave(self, subscriber: Subscriber) -> None:
        """The last one to leave stops the tail."""
        for topic in list(subscriber.subscriptions):
            self.unfollow(subscriber, topic)
        self._subscribers.pop(subscriber, None)
        if not self._subscribers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._datagrams.close()
            for thread in (self._tail_thread, self._ask_thread):
                thread.submit(connection.close)

    @property
    def sockets(self) -> int:
        return len(self._subscribers)

    async def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Runs a question to the database in a thread."""
        return await _in(self._ask_thread, question, *arguments)

    # Topics --------------------------------------------------------------------------------------

    async def follow(self, subscriber: Subscriber, topic: str, after: int | None) -> None:
        """
        From `after` on, or from now. The caller has checked the right. Following again from
        elsewhere begins anew.
        """
        kind = kind_of(topic)
        assert kind is not None, topic
        last = await self.ask(kind.source.last, topic)
        self.unfollow(subscriber, topic)
        # From here to the next await everything stands still: what the tail reads later goes to
        # `pending`, what it read before is in the gap.
        upto = self._positions.setdefault(topic, last)
        cursor = last if after is None or after > last else after
        subscription = Subscription(topic, cursor, pending=[] if cursor < upto else None)
        subscriber.subscriptions[topic] = subscription
        self._followers[topic].add(subscriber)
        self._wake.set()
        if after is not None and after > last:
            # A sequence nobody gave: the database is another one now.
            subscriber.overflow(topic, last)
        elif subscription.pending is not None:
            await self._replay(subscriber, subscription, upto)

    async def _replay(self, subscriber: Subscriber, subscription: Subscription, upto: int) -> None:
        topic = subscription.topic
        kind = kind_of(topic)
        assert kind is not None, topic
        rows = await self.ask(kind.source.between, topic, subscription.cursor, upto, GAP_ROWS + 1)
        if subscriber.subscriptions.get(topic) is not subscription:
            return
        pending, subscription.pending = subscription.pending or [], None
        if len(rows) > GAP_ROWS:
            subscriber.overflow(topic, max([upto, *(frame.last for frame in pending)]))
            return
        for start in range(0, len(rows), GAP_PAGE):
            page = rows[start : start + GAP_PAGE]
            subscriber.hand_over(Frame(topic, page, wide=kind.wide))
        for frame in pending:
            subscriber.hand_over(frame)

    def unfollow(self, subscriber: Subscriber, topic: str) -> None:
        if subscriber.subscriptions.pop(topic, None) is None:
            return
        followers = self._followers[topic]
        followers.discard(subscriber)
        if not followers:
            del self._followers[topic]
            self._positions.pop(topic, None)

    # The tail ------------------------------------------------------------------------------------

    async def _run(self, poll: float) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), poll)
            self._wake.clear()
            if not self._positions:
                continue
            begun = time.monotonic()
            try:
                full = await self._flush()
            except DatabaseError as error:
                log.warning("live.database_away", reason=str(error))
                await asyncio.sleep(poll)
                continue
            if full:
                self._wake.set()
            # Once around the loop: the sockets' writers have sent what was handed over, so a flush
            # to many sockets on a busy machine makes the next one later and fuller.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            pause = 1.5 * (time.monotonic() - begun)
            await asyncio.sleep(min(max(FLUSH_SECONDS, pause), FLUSH_SECONDS_MOST))

    async def _flush(self) -> bool:
        """Reads once and hands over; True when there may be more already."""
        wanted: dict[Source, dict[str, int]] = defaultdict(dict)
        for topic, position in self._positions.items():
            kind = kind_of(topic)
            assert kind is not None, topic
            wanted[kind.source][topic] = position
        found = await _in(self._tail_thread, _tail, dict(wanted))
        for positions in wanted.values():
            for topic, position in positions.items():
                # A topic that was left and followed anew meanwhile is read again from there.
                if found.get(topic) and self._positions.get(topic) == position:
                    self._deliver(topic, found[topic])
        return sum(map(len, found.values())) >= TAIL_ROWS

    def _deliver(self, topic: str, rows: list[Row]) -> None:
        kind = kind_of(topic)
        assert kind is not None, topic
        self._positions[topic] = rows[-1].sequence
        frame = Frame(topic, rows, wide=kind.wide)
        for subscriber in self._followers[topic]:
            subscription = subscriber.subscriptions[topic]
            if subscription.pending is None and subscription.cursor >= rows[0].sequence:
                # It asked to go on from further ahead than this hub had read.
                own = frame.since(subscription.cursor)
                if own is not None:
                    subscriber.hand_over(own)
            else:
                subscriber.hand_over(frame)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for subscriber in self._subscribers:
                subscriber.beat()


def _tail(wanted: Mapping[Source, Mapping[str, int]]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for source, positions in wanted.items():
        found.update(source.tail(positions, TAIL_ROWS))
    return found


async def _in(threads: ThreadPoolExecutor, call: Callable[..., T], *arguments: Any) -> T:
    def with_connection() -> T:
        try:
            return call(*arguments)
        except (OperationalError, InterfaceError):
            # The connection was cut while nobody used it; questions may be asked twice.
            connection.close()
        try:
            return call(*arguments)
        except DatabaseError:
            connection.close()
            raise

    return await asyncio.get_running_loop().run_in_executor(threads, with_connection)


_HUBS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub_of_this_process() -> Hub:
    """The one hub of the running event loop; a web process has one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _HUBS:
        _HUBS[loop] = Hub()
    return _HUBS[loop]


def socket_count() -> int:
    """Open sockets of this process, from whatever thread."""
    return sum(hub.sockets for hub in list(_HUBS.values()))
