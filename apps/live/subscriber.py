"""One socket as the hub sees it: what it follows, what waits for it, what it has confirmed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from typing import Any

from apps.core.permissions import Actor
from apps.live.frames import Frame, heartbeat, resync

# Frames that wait for one socket; past it the browser is told to read the page again.
QUEUE_FRAMES = 256
QUEUE_BYTES = 4_000_000
# Bytes on their way to a client that confirms heartbeats; past it nothing more is sent.
WINDOW_BYTES = 2_000_000
# An extra heartbeat each so many bytes lets the window move between the regular ones.
PROBE_BYTES = 500_000


@dataclasses.dataclass
class Subscription:
    """
    `cursor` is the sequence of the last row handed over. While the gap is read, live rows wait in
    `pending`: the gap comes first.
    """

    topic: str
    cursor: int
    pending: list[Frame] | None = None


class Subscriber:
    """The bounded queue of one socket. All of it runs in the event loop's thread."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.places = actor.visible_environments()
        self.subscriptions: dict[str, Subscription] = {}
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._controls: deque[str] = deque()
        self._overflown: set[str] = set()
        self._sent = self._confirmed = self._probed = 0
        self._marks: deque[int] = deque()
        # A client that never answers heartbeats is bounded by the server's own pings instead.
        self._confirms = False

    def see_as(self, actor: Actor) -> None:
        """Another set of rights, at once also for what waits."""
        self.actor = actor
        self.places = actor.visible_environments()

    def hand_over(self, frame: Frame) -> None:
        """
        Rows of a followed topic. Those it has are cut off; when too much waits, all of it is
        dropped and the topics are marked for `resync`.
        """
        subscription = self.subscriptions.get(frame.topic)
        if subscription is None:
            return
        if subscription.pending is not None:
            subscription.pending.append(frame)
            return
        if frame.last <= subscription.cursor:
            return
        subscription.cursor = frame.last
        if frame.topic in self._overflown:
            return
        self._frames.append(frame)
        self._bytes += frame.size
        if len(self._frames) > QUEUE_FRAMES or self._bytes > QUEUE_BYTES:
            self._overflown |= {waiting.topic for waiting in self._frames}
            self._frames.clear()
            self._bytes = 0
        self._ready.set()

    def overflow(self, topic: str, cursor: int) -> None:
        """Too much to hand over: the browser reads the page again and goes on from `cursor`."""
        if subscription := self.subscriptions.get(topic):
            subscription.cursor = max(cursor, subscription.cursor)
            self._overflown.add(topic)
            self._ready.set()

    def say(self, text: str) -> None:
        """A control message; it overtakes rows that wait."""
        self._controls.append(text)
        self._ready.set()

    def beat(self) -> None:
        """A heartbeat with what was handed over, and a mark in the stream of bytes."""
        self._marks.append(self._sent)
        self._probed = self._sent
        self.say(heartbeat({topic: s.cursor for topic, s in self.subscriptions.items()}))

    def confirm(self) -> None:
        """The client's `pong`: what was sent before the oldest open heartbeat has arrived."""
        self._confirms = True
        if self._marks:
            self._confirmed = self._marks.popleft()
        self._ready.set()

    @property
    def is_behind(self) -> bool:
        return self._confirms and self._sent - self._confirmed > WINDOW_BYTES

    async def next_text(self) -> str:
        """The next thing to send, in order; waits until there is one that may be sent."""
        while True:
            if self._controls:
                return self._controls.popleft()
            if not self.is_behind:
                if self._overflown:
                    topic = self._overflown.pop()
                    if subscription := self.subscriptions.get(topic):
                        return resync(topic, subscription.cursor)
                    continue
                if self._frames:
                    return self._take()
            self._ready.clear()
            await self._ready.wait()

    def _take(self) -> str:
        frame = self._frames.popleft()
        self._bytes -= frame.size
        self._sent += frame.size
        if self._confirms and self._sent - self._probed > PROBE_BYTES:
            self.beat()
        return frame.text_for(self.places)

    def facts(self) -> dict[str, Any]:
        """For tests and metrics."""
        return {"frames": len(self._frames), "bytes": self._bytes, "behind": self.is_behind}
