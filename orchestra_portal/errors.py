"""Errors outside of any view: problems for programs, pages for people."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from apps.core.api import problem
from apps.core.database import what_is_away
from apps.core.errors import Forbidden, Invalid, NotFound, OurFault, PortalError


def answer(error: PortalError) -> HttpResponse:
    return JsonResponse(
        problem(error), status=error.status, content_type="application/problem+json"
    )


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


@csrf_exempt
def unknown_route(_request: HttpRequest) -> HttpResponse:
    """The last route under /api/."""
    return answer(
        NotFound(
            "not_found",
            "There is no such address in this API.",
            next_step="/api/docs/ lists them; each ends with a slash.",
        )
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return answer(Invalid("request.invalid", "This request cannot be read."))
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return answer(Forbidden("permission.denied", "You may not do this."))
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        unknown_route(request) if is_api(request) else defaults.page_not_found(request, exception)
    )


def unavailable(request: HttpRequest, error: PortalError) -> HttpResponse:
    """A page of its own: those of the admin ask the database for more than it can answer."""
    if is_api(request):
        response = answer(error)
    else:
        text = render_to_string("503.html", {"error": error})
        response = HttpResponse(text, status=error.status)
    response["Retry-After"] = "10"
    return response


def our_fault(request: HttpRequest) -> HttpResponse:
    """Never a trace; the request id finds it in the log."""
    # Django calls this while the exception is still being handled.
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request, what_is_away(error))
    if is_api(request):
        return answer(
            OurFault(
                "portal.failed",
                "The portal failed here. It is not known whether something was changed.",
                next_step="The log has the reason under this request id.",
            )
        )
    return defaults.server_error(request)
