"""Who is behind a WebSocket: a session of this site's own pages, or a program's token."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http.request import validate_host

from apps.accounts.actors import actor_for_token, actor_for_user
from apps.accounts.tokens import find_token
from apps.core.permissions import NOBODY, Actor

Application = Callable[[Any, Any, Any], Awaitable[None]]


class SocketActor:
    """
    Puts `actor_reader` into the scope: a function that reads the actor as of now, NOBODY when the
    session has ended or the token is revoked. A session counts only from our own origin, host and
    port: any other page in the same browser sends the same cookie.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        reader = _reader(headers)
        if reader is None:
            await WebsocketDenier()(scope, receive, send)
            return
        await self.application({**scope, "actor_reader": reader}, receive, send)


def _reader(headers: dict[str, str]) -> Callable[[], Actor] | None:
    host = headers.get("host", "")
    if not validate_host(_name_of(host), settings.ALLOWED_HOSTS):
        return None
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        # No page can make a browser send this header with a WebSocket.
        return functools.partial(token_actor, text.strip())
    if not is_own_origin(headers.get("origin", ""), host):
        return None
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    return functools.partial(session_actor, cookie.value if cookie else "")


def is_own_origin(origin: str, host: str) -> bool:
    """The same host and port as the request's, or one of the trusted origins of a proxy."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc == host


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def session_actor(key: str) -> Actor:
    """As Django's own login check: the session is there, its password hash still holds."""
    if not key:
        return NOBODY
    user = get_user(SimpleNamespace(session=SessionStore(key)))  # type: ignore[arg-type]  # reads the session, nothing else
    return actor_for_user(user)


def token_actor(text: str) -> Actor:
    token = find_token(text)
    return NOBODY if token is None else actor_for_token(token)
