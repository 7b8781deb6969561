"""HTTP through WSGI on threads, WebSocket through Channels: design, section 12 (a2wsgi)."""

import logging
import os
import sys
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra_portal.settings")

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter
from django.core.wsgi import get_wsgi_application

# Django's stock middleware costs a thread hop each under ASGI; behind the bridge it runs in one
# thread, and connections are kept.
django_wsgi = get_wsgi_application()

from orchestra_portal.routing import websocket_application  # noqa: E402 - the app registry first

application = ProtocolTypeRouter(
    {
        "http": WSGIMiddleware(cast("Any", django_wsgi), workers=8),
        "websocket": websocket_application,
    }
)


def leave() -> None:
    """
    Ends the process once the loop has ended. A request still at work on its thread would wait for
    the loop to send its answer, and the interpreter for the thread, both for ever.
    """
    logging.shutdown()
    os._exit(0)


if "daphne.server" in sys.modules:
    from twisted.internet import reactor

    reactor.addSystemEventTrigger("after", "shutdown", leave)  # type: ignore[arg-type]  # its interface counts no self
