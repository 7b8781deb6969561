"""Verbs on alert routes."""

from __future__ import annotations

import base64
import secrets
from datetime import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound, Refused
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.lookup import find_environment
from apps.live.services import announce
from apps.monitoring.choices import RouteKind, Severity
from apps.monitoring.models import AlertRoute, Delivery
from apps.monitoring.models.route import parse_clock
from apps.monitoring.outbox import hint, row_of


def make_route(
    actor: Actor,
    *,
    name: str,
    kind: str,
    address: str,
    environment: str = "",
    severity: str = Severity.WARNING,
    quiet_from: str = "",
    quiet_to: str = "",
) -> tuple[AlertRoute, str]:
    """
    A new route and, for a webhook, the secret that signs its messages: shown this once. Without
    `environment` it hears of all of them. Raises Invalid (`route.malformed`), Refused
    (`route.exists`).
    """
    place = find_environment(actor, environment) if environment else None
    check(actor, "edit_settings", environment or EVERYWHERE)
    shown = _shown(kind, address)
    if not name or severity not in Severity.values:
        raise _malformed("name", "A route has a name and a severity from which it hears.")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    row = AlertRoute(
        name=name, kind=kind, environment=place, severity=severity, shown=shown,
        made_by=actor.name, **_quiet(quiet_from, quiet_to),
    )  # fmt: skip
    row.put(address, secret if kind == RouteKind.WEBHOOK else "")
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            record(actor, "monitoring.route.made", row, environment=environment, kind=kind)
            announce("monitoring", "route.changed", route=row.pk, environment=environment)
    except IntegrityError as error:
        text = f"There is a route {name} already."
        raise Refused("route.exists", text, next_step="Choose another name.") from error
    return row, secret if kind == RouteKind.WEBHOOK else ""


def edit_route(
    actor: Actor,
    *,
    route_id: int,
    address: str = "",
    severity: str = "",
    quiet_from: str | None = None,
    quiet_to: str | None = None,
) -> AlertRoute:
    """
    Changes where a route leads and what it hears; what is not given stays, empty quiet hours end
    them. Its name, kind, environment and signing secret stay, and what is queued goes to the new
    address. Raises Invalid (`route.malformed`).
    """
    row = _find(actor, route_id)
    slug = row.environment.slug if row.environment else ""
    check(actor, "edit_settings", slug or EVERYWHERE)
    if severity and severity not in Severity.values:
        raise _malformed("severity", f"A severity is one of {', '.join(Severity.values)}.")
    asked = {"quiet_from": quiet_from, "quiet_to": quiet_to}
    held = {name: _clock_of(getattr(row, name)) for name in asked}
    changed = _quiet(**{name: held[name] if text is None else text for name, text in asked.items()})
    changed["severity"] = severity or row.severity
    if address:
        changed["shown"] = _shown(row.kind, address)
    with transaction.atomic():
        found: AlertRoute = AlertRoute.objects.select_for_update().get(pk=row.pk)
        if address:
            found.put(address, found.opened()[1])
        for name, value in changed.items():
            setattr(found, name, value)
        found.save(update_fields=[*changed, "sealed"])
        record(
            actor, "monitoring.route.edited", found, environment=slug, severity=found.severity,
            shown=found.shown, quiet=[_clock_of(found.quiet_from), _clock_of(found.quiet_to)],
        )  # fmt: skip
        announce("monitoring", "route.changed", route=found.pk, environment=slug)
    return found


def set_route_enabled(actor: Actor, *, route_id: int, enabled: bool) -> AlertRoute:
    """Switches a route on or off; what is queued for it is still sent."""
    row = _find(actor, route_id)
    slug = row.environment.slug if row.environment else ""
    check(actor, "edit_settings", slug or EVERYWHERE)
    with transaction.atomic():
        AlertRoute.objects.filter(pk=row.pk).update(is_enabled=enabled)
        word = "enabled" if enabled else "disabled"
        record(actor, f"monitoring.route.{word}", row, environment=slug)
        announce("monitoring", "route.changed", route=row.pk, environment=slug)
    row.is_enabled = enabled
    return row


def remove_route(actor: Actor, *, route_id: int) -> None:
    """Removes a route with its log."""
    row = _find(actor, route_id)
    slug = row.environment.slug if row.environment else ""
    check(actor, "edit_settings", slug or EVERYWHERE)
    with transaction.atomic():
        record(actor, "monitoring.route.removed", row, environment=slug)
        key = row.pk
        row.delete()
        announce("monitoring", "route.changed", route=key, environment=slug)


def send_test_message(actor: Actor, *, route_id: int) -> Delivery:
    """Sends one message that says it is a test; its delivery tells what the receiver said."""
    row = _find(actor, route_id)
    slug = row.environment.slug if row.environment else ""
    check(actor, "check", slug or EVERYWHERE)
    now = timezone.now()
    payload = {
        "type": "route.test",
        "timestamp": now.isoformat(),
        "data": {
            "route": row.name,
            "text": f"{actor.name} tests this route. Nothing is wrong.",
            "link": _page(row),
        },
    }
    with transaction.atomic():
        delivery = row_of(row, payload, Severity.CRITICAL, now)
        delivery.save()
        record(actor, "monitoring.route.tested", row, environment=slug)
        announce("monitoring", "delivery.changed", environment=slug, delivery=delivery.pk)
        hint()
    return delivery


def _quiet(quiet_from: str, quiet_to: str) -> dict[str, Any]:
    """Both clock times, or neither. Raises Invalid."""
    try:
        found = {"quiet_from": parse_clock(quiet_from), "quiet_to": parse_clock(quiet_to)}
    except ValueError as error:
        raise _malformed("quiet_from", "Quiet hours are clock times like 22:00, in UTC.") from error
    if (found["quiet_from"] is None) != (found["quiet_to"] is None):
        raise _malformed("quiet_to", "Quiet hours have a beginning and an end, or neither.")
    return found


def _clock_of(moment: time | None) -> str:
    return f"{moment:%H:%M}" if moment else ""


def _page(row: AlertRoute) -> str:
    return f"{settings.PORTAL_URL}/admin/monitoring/alertroute/{row.pk}/change/"


def _shown(kind: str, address: str) -> str:
    """What people see of an address. Raises Invalid for one that no message reaches."""
    if kind not in RouteKind.values:
        raise _malformed("kind", f"A route is one of {', '.join(RouteKind.values)}.")
    if kind == RouteKind.EMAIL:
        try:
            validate_email(address)
        except ValidationError as error:
            raise _malformed("address", "This is no mail address.") from error
        return address
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        usable, port = False, ""
    if not usable or any(c.isspace() or not c.isprintable() for c in address):
        raise _malformed("address", "An address is an http or https URL without a user name.")
    return f"{parts.scheme}://{parts.hostname}{port}/…"[:200]


def _find(actor: Actor, route_id: int) -> AlertRoute:
    rows = AlertRoute.objects.visible_to(actor).select_related("environment")
    row: AlertRoute | None = rows.filter(pk=route_id).first()
    if row is None:
        raise NotFound("route.unknown", f"There is no alert route {route_id}.")
    return row


def _malformed(field: str, text: str) -> Invalid:
    return Invalid("route.malformed", text, errors={field: text})
