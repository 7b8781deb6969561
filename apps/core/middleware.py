"""What every request passes: an id in answer, log and audit, and pages without hidden signs."""

from __future__ import annotations

import contextvars
import re
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Takes over a well-formed X-Request-ID, else makes one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        value = given if ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(value)
        with structlog.contextvars.bound_contextvars(request_id=value):
            response = self.get_response(request)
        request_id.reset(token)
        response["X-Request-ID"] = value
        return response


# What a terminal obeys, and what turns the rest of a line around: in UTF-8, since it is looked for
# in whole pages.
UNSEEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
SHOWN = "\u241b".encode()


class ShownCharactersMiddleware:
    """
    Every page shows a character that nobody would see: texts come from engines, servers and people,
    and one that reads otherwise than it is decides for somebody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        kind = response.get("Content-Type", "")
        if not response.streaming and kind.startswith("text/html"):
            content, found = UNSEEN.subn(SHOWN, response.content)
            if found:
                response.content = content
        return response
