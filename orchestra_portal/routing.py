"""WebSocket routes."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from apps.accounts.sockets import SocketActor
from apps.live.consumers import LiveConsumer
from orchestra_portal.stream import register_topics

register_topics()

websocket_urlpatterns: list[Any] = [
    path("ws/live/", LiveConsumer.as_asgi()),
    re_path(r"", WebsocketDenier.as_asgi()),
]
websocket_application = SocketActor(URLRouter(websocket_urlpatterns))
