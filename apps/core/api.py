"""
What every REST endpoint shares: problems, the actor, and the view sets that all apps build on.

    class RunViewSet(ReadOnlyViewSet[Run]):
        queryset = Run.objects.select_related("stack__environment")   # its own visible_to(actor)
        serializer_class = RunSerializer
        filters = {"status": "status", "environment": "stack__environment__slug"}
        orderings = ("id", "requested_at")

        @action(detail=True, methods=["post"])
        def cancel(self, request: Request, pk: str) -> Response:
            body = self.body(CancelInput)               # 400 for unknown or unusable fields
            run = services.cancel_run(actor=self.actor, run=self.get_object(), **body)
            return Response(self.get_serializer(run).data)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404
from rest_framework import exceptions, mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.errors import Forbidden, Invalid, NotFound, PortalError, TooMany
from apps.core.idempotency import Idempotent
from apps.core.listing import FieldFilter
from apps.core.middleware import request_id
from apps.core.permissions import NOBODY, Actor

# The title and the way out of what the framework refuses by itself.
WORDS: Mapping[type[exceptions.APIException], tuple[str, str]] = {
    exceptions.NotAuthenticated: (
        "Not logged in",
        "Send a token as `Authorization: Bearer op_…`; `manage.py create_token USER` makes one.",
    ),
    exceptions.AuthenticationFailed: ("Not logged in", ""),
    exceptions.ParseError: ("Input not usable", "Send one JSON object."),
    exceptions.UnsupportedMediaType: ("Input not usable", "Send application/json."),
    exceptions.NotAcceptable: ("Input not usable", "Accept application/json."),
    exceptions.MethodNotAllowed: ("No such method", "The header Allow names those there are."),
}


def actor_of(request: Any) -> Actor:
    """The actor of a DRF or Django request: the token's if there is one, else the person's."""
    if isinstance(request, Request):
        if isinstance(request.auth, Actor):
            return request.auth
        request = request._request  # noqa: SLF001 - DRF's documented way to the Django request
    actor = getattr(request, "actor", NOBODY)
    assert isinstance(actor, Actor)
    return actor


def problem(error: PortalError) -> dict[str, Any]:
    """The body of `application/problem+json` (RFC 9457) with our message id."""
    body: dict[str, Any] = {
        "type": f"urn:orchestra-portal:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.text,
        "code": error.code,
        "instance": f"urn:request:{request_id.get()}",
    }
    if error.next_step:
        body["next_step"] = error.next_step
    if error.blocked_by:
        body["blocked_by"] = error.blocked_by
    if error.errors:
        body["errors"] = [
            {"field": field, "code": "invalid", "detail": text}
            for field, text in error.errors.items()
        ]
    return body


def translate(error: Exception) -> PortalError | None:
    """Django's and DRF's own exceptions as ours; None for a bug."""
    if isinstance(error, PortalError):
        return error
    if isinstance(error, Http404):
        return NotFound("not_found", "There is no such thing, or you may not see it.")
    if isinstance(error, PermissionDenied):
        return Forbidden("permission.denied", "You may not do this.")
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail if isinstance(error.detail, dict) else {"non_field": error.detail}
        fields = {key: " ".join(map(str, value)) for key, value in detail.items()}
        return Invalid("input.invalid", f"Not usable: {', '.join(sorted(fields))}.", errors=fields)
    if isinstance(error, exceptions.Throttled):
        return TooMany("too_many", str(error.detail))
    if isinstance(error, exceptions.APIException):
        title, next_step = WORDS.get(type(error), ("Refused", ""))
        own = PortalError(str(error.get_codes()), str(error.detail), next_step=next_step)
        own.status, own.title = error.status_code, title
        return own
    return None


def problem_handler(error: Exception, _context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER."""
    translated = translate(error)
    if translated is None:
        return None
    response = Response(
        problem(translated),
        status=translated.status,
        content_type="application/problem+json",
    )
    if isinstance(error, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
        response["WWW-Authenticate"] = 'Bearer realm="api"'
        response.status_code = 401
        response.data["status"] = 401
    if isinstance(error, exceptions.Throttled) and getattr(error, "wait", None):
        response["Retry-After"] = str(int(getattr(error, "wait", 0)) + 1)
    return response


Row = TypeVar("Row", bound=models.Model)


class Input(serializers.Serializer[Any]):
    """A request body: a field nobody reads is refused, for it was meant to do something."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields) or "none"
            text = f"There is no such field here. There are {known}."
            raise serializers.ValidationError({str(name): [text] for name in unknown})
        return super().to_internal_value(data)


class PortalViewSet(Idempotent, viewsets.GenericViewSet[Row]):
    """
    Rows the actor may see, and the plumbing of every verb. `filters` maps a parameter to an ORM
    look-up, `orderings` are the fields a list may be sorted by (indexed, never null),
    `extra_parameters` what an action reads from the query itself.
    """

    filter_backends = [FieldFilter]
    filters: ClassVar[Mapping[str, str]] = {}
    orderings: ClassVar[Sequence[str]] = ("id",)
    extra_parameters: ClassVar[Sequence[str]] = ()

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    def get_queryset(self) -> models.QuerySet[Row]:
        """A foreign object is a 404: every look starts here."""
        rows = cast("Any", super().get_queryset())
        return cast("models.QuerySet[Row]", rows.visible_to(self.actor))

    def body(self, kind: type[serializers.BaseSerializer[Any]]) -> dict[str, Any]:
        """The checked body. Raises Invalid with a sentence for each field."""
        checked = kind(data=self.request.data, context=self.get_serializer_context())
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        first = self.begin(request, self.actor)
        if first is not None:
            # DRF looks its handler up after this, as its own routers set it: on the instance.
            self.post = lambda *_, **__: first

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        self.end(response)
        return super().finalize_response(request, response, *args, **kwargs)

    def raise_uncaught_exception(self, exc: Exception) -> Any:
        self.forget()
        return super().raise_uncaught_exception(exc)


class ReadOnlyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PortalViewSet[Row]):
    """List and detail; verbs are added with `@action`."""
