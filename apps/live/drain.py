"""Saying goodbye before the web process stops, so that browsers come back spread over time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

# What a frame needs to leave the machine before the server cuts its lines.
LAST_WORDS_SECONDS = 0.15


def before_shutdown(goodbyes: Callable[[], list[Callable[[], Awaitable[None]]]]) -> None:
    """
    Under daphne: `goodbyes()` is asked when the server begins to stop, each of them is awaited,
    and the server waits that long. Elsewhere nothing: there the server ends its sockets itself.
    """
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import defer, reactor  # noqa: PLC0415 - importing it elsewhere installs a loop

    async def speak(words: list[Callable[[], Awaitable[None]]]) -> None:
        await asyncio.gather(*(word() for word in words), return_exceptions=True)
        await asyncio.sleep(LAST_WORDS_SECONDS)

    def drain() -> defer.Deferred[None]:
        # Asked here and now: in a moment daphne's own trigger has ended the consumers.
        loop = asyncio.get_event_loop()
        return defer.Deferred.fromFuture(asyncio.ensure_future(speak(goodbyes()), loop=loop))

    reactor.addSystemEventTrigger("before", "shutdown", drain)  # type: ignore[arg-type]  # its interface counts no self
