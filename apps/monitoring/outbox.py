"""
What is to be told, written in the transaction in which it happened. Sending it is the runner's:
what stands here is sent at least once, each time under the same id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps.monitoring.choices import SEVERITIES, Severity
from apps.monitoring.models import AlertRoute, Delivery, Incident, IncidentEntry
from apps.monitoring.models.route import new_message_id


def tell(incident: Incident, event: str) -> int:
    """Queues the event for every route that wants it; how many do. A silenced one tells nobody."""
    now = timezone.now()
    if incident.is_silent(now):
        text = f"Nobody was told: silenced by {incident.silenced_by}."
        IncidentEntry.objects.create(incident=incident, kind="silent", text=text)
        return 0
    heard = SEVERITIES[: SEVERITIES.index(incident.severity) + 1]
    place = Q(environment__isnull=True) | Q(environment=incident.environment_id)
    routes = AlertRoute.objects.filter(place, is_enabled=True, severity__in=heard)
    payload = message_of(incident, event, now)
    rows = [row_of(route, payload, incident.severity, now, incident) for route in routes]
    Delivery.objects.bulk_create(rows)
    if rows:
        hint()
    return len(rows)


def row_of(
    route: AlertRoute,
    payload: dict[str, Any],
    severity: str,
    now: datetime,
    incident: Incident | None = None,
) -> Delivery:
    """One message to one route, not saved yet; in quiet hours it waits, unless it is critical."""
    wait = None if severity == Severity.CRITICAL else route.quiet_until(now)
    return Delivery(
        route=route,
        incident=incident,
        message_id=new_message_id(),
        event=payload["type"],
        severity=severity,
        payload=payload,
        made_at=now,
        next_at=wait or now,
    )


def message_of(incident: Incident, event: str, now: datetime) -> dict[str, Any]:
    """The body of Standard Webhooks: `type`, `timestamp`, `data`."""
    return {
        "type": f"incident.{event}",
        "timestamp": now.isoformat(),
        "data": {
            "incident": incident.pk,
            "environment": incident.environment.slug,
            "thing": incident.thing,
            "severity": incident.severity,
            "status": incident.status,
            "reason": incident.reason,
            "opened_at": incident.opened_at.isoformat(),
            "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
            "acknowledged_by": incident.acknowledged_by,
            "link": f"{settings.PORTAL_URL}/admin/monitoring/incident/{incident.pk}/change/",
        },
    }


def hint() -> None:
    """Has the outbox emptied after commit. A hint that is lost costs one tick of the sweeper."""
    if not any(entry[1] is send_hint for entry in connection.run_on_commit):
        transaction.on_commit(send_hint, robust=True)


def send_hint() -> None:
    current_app.send_task("apps.monitoring.tasks.deliver", expires=10, ignore_result=True)
