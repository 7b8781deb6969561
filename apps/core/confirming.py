"""
The page between a button and a verb: it names what will change, asks for the typed word where one
is asked, calls the verb, and shows a refusal in the words every other door uses.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render

from apps.core.api import actor_of
from apps.core.errors import NotFound, PortalError
from apps.core.permissions import Actor, check

View = Callable[..., HttpResponse]


@dataclasses.dataclass(frozen=True)
class Ask:
    """
    One field of the page. With `choices` (value, word) it is a list to choose one from, or with
    `kind` `several` any of them; else one line of `kind` (`text`, `number`, `datetime-local`,
    `password`), or `rows` of them where `long` (`code`: in fixed width); `flag` is a box to tick
    (`yes`, else absent). `value` is there at first, `values` are the ones ticked. What a
    `password` was given never comes back.
    """

    name: str
    label: str
    choices: Sequence[tuple[str, str]] = ()
    value: str = ""
    help: str = ""
    required: bool = False
    long: bool = False
    rows: int = 3
    kind: str = "text"
    values: Sequence[str] = ()

    @property
    def is_secret(self) -> bool:
        return self.kind == "password"


class Given(dict[str, str]):
    """What was typed in: the last text of each field, and `several` for all of one."""

    def __init__(self, data: QueryDict) -> None:
        super().__init__({name: str(value) for name, value in data.items()})
        self._data = data

    def several(self, name: str) -> list[str]:
        return [str(value) for value in self._data.getlist(name)]


@dataclasses.dataclass(frozen=True)
class Asked:
    """A field as the page shows it now, with what is wrong with it."""

    ask: Ask
    value: str
    values: Sequence[str]
    error: str


@dataclasses.dataclass
class Confirmation:
    """
    What the page says. `lines` are pairs (operation or "", sentence); `summary` counts by
    operation; `typed` the word to type, or ""; `hidden` goes back with the form. `blocked` is why
    the button is disabled; `reading` marks a deed that changes no environment.
    """

    title: str
    sentence: str
    button: str
    back: str
    lines: Sequence[tuple[str, str]] = ()
    summary: Mapping[str, int] = dataclasses.field(default_factory=dict)
    note: str = ""
    typed: str = ""
    ask_reason: str = ""
    asks: Sequence[Ask] = ()
    # A rendered template, between the lines and what is asked.
    extra: str = ""
    heading: str = ""
    danger: bool = False
    reading: bool = False
    blocked: PortalError | None = None
    hidden: Mapping[str, str] = dataclasses.field(default_factory=dict)


def confirm(
    request: HttpRequest,
    confirmation: Confirmation,
    environment: Any,
    act: Callable[[Actor, Given], str | HttpResponse],
) -> HttpResponse:
    """
    GET shows the page. POST checks the typed word and calls `act`, which returns the address to go
    to next, or the answer itself where something is shown this once; a refusal is shown on the same
    page, and nothing was changed.
    """
    refusal: PortalError | None = None if request.method == "POST" else confirmation.blocked
    wrong = ""
    # Django's reports of a failure show what was posted, but not this.
    request.sensitive_post_parameters = [ask.name for ask in confirmation.asks if ask.is_secret]  # type: ignore[attr-defined]  # where `sensitive_post_parameters` puts it
    if request.method == "POST":
        typed = request.POST.get("confirm", "")
        if confirmation.typed and typed != confirmation.typed:
            wrong = f"You typed “{typed}”. Type {confirmation.typed} to go on. Nothing was changed."
        else:
            try:
                done = act(actor_of(request), Given(request.POST))
                return done if isinstance(done, HttpResponse) else HttpResponseRedirect(done)
            except NotFound as error:
                raise Http404(error.detail) from error
            except PortalError as error:
                refusal = error
    context = {
        **admin.site.each_context(request),
        "title": confirmation.title,
        "confirmation": confirmation,
        "environment": environment,
        "refusal": refusal,
        "wrong": wrong,
        "given": request.POST,
        "asked": [_shown(ask, request, refusal) for ask in confirmation.asks],
    }
    refused = refusal is not None and request.method == "POST"
    code = refusal.status if refused and refusal else 400 if wrong else 200
    return render(request, "core/confirm.html", context, status=code)


def _shown(ask: Ask, request: HttpRequest, refusal: PortalError | None) -> Asked:
    """A secret is typed again: what was given must not stand in a page."""
    value, values = ask.value, ask.values
    if request.method == "POST":
        given = Given(request.POST)
        value = given.get(ask.name, "" if ask.kind == "flag" else ask.value)
        values = given.several(ask.name)
    error = refusal.errors.get(ask.name, "") if refusal else ""
    return Asked(ask, "" if ask.is_secret else value, () if ask.is_secret else values, error)


def why_not(actor: Actor, action: str, environment: str) -> PortalError | None:
    """Why the actor may not do this there; None when they may."""
    try:
        check(actor, action, environment)
    except PortalError as error:
        return error
    return None


def with_refusals(view: View) -> View:
    """Shows a view's `PortalError` as a page; what may not be seen is the 404 page."""

    @functools.wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.detail) from error
        except PortalError as error:
            frame = admin.site.each_context(request)
            context = {**frame, "title": error.title, "refusal": error}
            return render(request, "core/refusal.html", context, status=error.status)

    return shown
