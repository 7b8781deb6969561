"""The portal's own health. It never turns red because a watched thing is down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from kombu import Connection

from apps.deployments.engine import engine_roots, likely_engine
from apps.live.models import Tick
from apps.monitoring.models import RoundTick
from apps.monitoring.models.probing import STALLED

PASSED = "passed"
# Three ticks of the schedule may be late: a worker busy with a long look is no failure.
TICK_PATIENCE = timedelta(seconds=40)
# Seconds without a round of looks, and when this process began: the worker may start after it.
PROBER_PATIENCE = STALLED.total_seconds()
STARTED = time.monotonic()
BROKER_SECONDS = 1
# A load balancer asks often; the broker need not be dialled each time.
BROKER_KEPT = 5.0
_broker_said = (0.0, PASSED)


def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while the process answers; reads nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when requests can be served, else 503."""
    checks = {"database": database(), "broker": broker(), "prober": prober()}
    return HttpResponse(
        "".join(f"{name}: {state}\n" for name, state in checks.items()),
        content_type="text/plain",
        status=200 if set(checks.values()) == {PASSED} else 503,
    )


def api_health(_request: HttpRequest) -> JsonResponse:
    """Quick and without login: `{status, version, checks}`, 200 or 503."""
    looks: dict[str, Callable[[], str]] = {
        "database": database,
        "broker": broker,
        "scheduler": scheduler,
        "engine": engine,
    }
    checks = {name: look() for name, look in looks.items()}
    well = set(checks.values()) == {PASSED}
    return JsonResponse(
        {
            "status": "healthy" if well else "unhealthy",
            "version": settings.PORTAL_VERSION,
            "checks": checks,
        },
        status=200 if well else 503,
    )


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"failed: {error.__class__.__name__}"
    return PASSED


def broker() -> str:
    """Whether hints can be sent. Of a lost broker only the class of the error is told."""
    global _broker_said  # noqa: PLW0603 - one answer per process, kept for a moment
    at, said = _broker_said
    if time.monotonic() - at > BROKER_KEPT or said != PASSED:
        _broker_said = (time.monotonic(), said := _dial())
    return said


def _dial() -> str:
    url = settings.CELERY_BROKER_URL
    if url.startswith("filesystem:"):
        usable = os.access(settings.BROKER_FOLDER, os.W_OK | os.X_OK)
        return PASSED if usable else "failed: the broker's folder is not writable"
    try:
        with Connection(url, connect_timeout=BROKER_SECONDS) as dialled:
            dialled.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception as error:  # noqa: BLE001 - each transport fails in its own way
        return f"failed: {error.__class__.__name__}"
    return PASSED


def scheduler() -> str:
    """Whether a tick came all the way round lately."""
    try:
        tick = Tick.objects.filter(name="schedule").first()
    except DatabaseError:
        return "unknown: the database does not answer"
    if tick is None:
        return "failed: no tick yet"
    age = timezone.now() - tick.at
    if age > TICK_PATIENCE:
        return f"failed: last tick {round(age.total_seconds())} s ago"
    return PASSED


def prober() -> str:
    """Whether the rounds of looks go on: without a tick for 90 s nothing shown is true any more."""
    try:
        tick = RoundTick.objects.filter(name="probe").first()
    except DatabaseError:
        return "unknown: the database does not answer"
    if tick is None:
        waited = time.monotonic() - STARTED
        return PASSED if waited < PROBER_PATIENCE else "failed: no round yet"
    age = (timezone.now() - tick.at).total_seconds()
    young = time.monotonic() - STARTED < PROBER_PATIENCE
    return PASSED if age < PROBER_PATIENCE or young else f"failed: last round {round(age)} s ago"


def engine() -> str:
    """Whether there is an engine to run; which one is decided by each run."""
    roots = engine_roots(settings.ORCHESTRA_HOME, settings.PULUMI_ROOT)
    return PASSED if likely_engine(roots) else "failed: no engine found"


# What checks of kind portal may look at.
PARTS: dict[str, Callable[[], str]] = {
    "database": database,
    "broker": broker,
    "scheduler": scheduler,
    "worker": prober,
    "engine": engine,
}
