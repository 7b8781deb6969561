"""
What a page asks twice it is told once: answers are kept while one GET is served, and no longer.

    @once
    def standing_stop() -> Stop | None: ...

A request that may change something keeps nothing, nor does a task or a command.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from django.db import models
from django.http import HttpRequest, HttpResponse

P = ParamSpec("P")
T = TypeVar("T")
Answers = dict[tuple[Any, ...], tuple[Any, Any]]

_answers: contextvars.ContextVar[Answers | None] = contextvars.ContextVar("answers", default=None)


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Inside, a function marked with `once` is carried out once for the same arguments."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def once(function: Callable[P, T]) -> Callable[P, T]:
    """For functions that only read. Callers share what is answered, and change nothing in it."""

    @functools.wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        known = _answers.get()
        if known is None:
            return function(*args, **kwargs)
        key = (function, *map(_mark, args), *((name, _mark(kwargs[name])) for name in kwargs))
        if key not in known:
            # The arguments are kept with it: an `id` is not given away while its owner lives.
            known[key] = (function(*args, **kwargs), args)
        answer: T = known[key][0]
        return answer

    return asked


def _mark(value: Any) -> Any:
    """A row is itself wherever it was read; one that is not saved, only this object."""
    if isinstance(value, models.Model):
        return type(value), value.pk or id(value)
    return value


class RememberMiddleware:
    """Opens the memory for requests that only read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        with remembering():
            return self.get_response(request)
