"""
`/ws/live/`: reading only, so there is nothing to forge. Who asks is told by the scope's
`actor_reader`, which looks again every few seconds: a socket does not outlive its session, its
token or its rights.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from apps.core.permissions import Actor
from apps.live.frames import draining, refused
from apps.live.hub import Hub, hub_of_this_process
from apps.live.subscriber import Subscriber
from apps.live.topics import may_follow

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 5.0
LONGEST_SECONDS = 12 * 3600
TOPICS_MOST = 40
TEXT_MOST = 4096
# Messages of one client in ten seconds; a page with forty topics sends forty-one.
TALK_MOST = 200
# Clients come back spread over this many seconds.
DRAIN_SECONDS = 3.0
# Codes of our own: daphne sends no other kind but 1000.
SESSION_ENDED, TALKS_TOO_MUCH, RESTARTS = 4401, 4429, 4503
SEQUENCE_MOST = 2**63 - 1


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels ships no types
    # There is no group to join: rows come from the hub.
    channel_layer_alias = ""

    hub: Hub
    subscriber: Subscriber
    reader: Callable[[], Actor]
    tasks: tuple[asyncio.Task[None], ...] = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()

    async def connect(self) -> None:
        self.reader = self.scope["actor_reader"]
        self.hub = hub_of_this_process()
        actor = await self.hub.ask(self.reader)
        if actor.kind == "nobody":
            await self.close()
            return
        self.subscriber = Subscriber(actor)
        self.begun = self.talk_since = time.monotonic()
        self.talked = 0
        await self.accept()
        self.hub.join(self.subscriber, self._say_goodbye)
        self.tasks = (asyncio.create_task(self._write()), asyncio.create_task(self._look_again()))

    async def receive(self, text_data: str | None = None, **_: Any) -> None:
        now = time.monotonic()
        if now - self.talk_since > 10:
            self.talk_since, self.talked = now, 0
        self.talked += 1
        if self.talked > TALK_MOST:
            await self.close(TALKS_TOO_MUCH)
            return
        message = _parsed(text_data)
        kind = message.get("type")
        if kind == "pong":
            self.subscriber.confirm()
        elif kind == "subscribe":
            await self._subscribe(message.get("topic"), message.get("after"))
        elif kind == "unsubscribe" and isinstance(message.get("topic"), str):
            self.hub.unfollow(self.subscriber, message["topic"])
        else:
            self.subscriber.say(refused(None, "message.invalid"))

    async def _subscribe(self, topic: Any, after: Any) -> None:
        subscriber = self.subscriber
        if not isinstance(topic, str) or not _is_sequence(after):
            subscriber.say(refused(topic, "message.invalid"))
        elif len(subscriber.subscriptions) >= TOPICS_MOST and topic not in subscriber.subscriptions:
            subscriber.say(refused(topic, "topics.too_many"))
        elif not await self.hub.ask(may_follow, subscriber.actor, topic):
            # A foreign topic and one that does not exist are told apart by nobody.
            subscriber.say(refused(topic, "not_found"))
        else:
            await self.hub.follow(subscriber, topic, after)

    async def disconnect(self, _code: int) -> None:
        self._end()

    def _end(self) -> None:
        tasks, self.tasks = self.tasks, ()
        if tasks:
            for task in tasks:
                task.cancel()
            self.hub.leave(self.subscriber)

    async def _say_goodbye(self) -> None:
        await self.send(draining(random.uniform(0, DRAIN_SECONDS)))  # noqa: S311 - spreads reconnects
        await self.close(RESTARTS)

    async def _write(self) -> None:
        while True:
            await self.send(await self.subscriber.next_text())

    async def _look_again(self) -> None:
        """Ends the socket with its session, and topics with their right."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads the look-ups
            if time.monotonic() - self.begun > LONGEST_SECONDS:
                await self.close(SESSION_ENDED)
                return
            try:
                actor = await self.hub.ask(self.reader)
                if actor.kind == "nobody":
                    await self.close(SESSION_ENDED)
                    return
                if actor != self.subscriber.actor:
                    await self._narrow(actor)
            except DatabaseError as error:
                log.warning("live.cannot_look_again", reason=str(error))

    async def _narrow(self, actor: Actor) -> None:
        self.subscriber.see_as(actor)
        for topic in list(self.subscriber.subscriptions):
            if not await self.hub.ask(may_follow, actor, topic):
                self.hub.unfollow(self.subscriber, topic)
                self.subscriber.say(refused(topic, "not_found"))


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > TEXT_MOST:
        return {}
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _is_sequence(after: Any) -> bool:
    return after is None or (type(after) is int and 0 <= after <= SEQUENCE_MOST)
