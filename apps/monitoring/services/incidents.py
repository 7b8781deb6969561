"""Verbs on incidents: acknowledge, silence, close, raise an alarm, take over alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import NotFound, Refused
from apps.core.permissions import Actor, check
from apps.environments.lookup import find_environment
from apps.monitoring.alerts import Alert, take
from apps.monitoring.choices import IncidentSource, IncidentStatus, Severity
from apps.monitoring.incidents import announce_incident, close, note, open_incident
from apps.monitoring.models import Incident
from apps.monitoring.outbox import tell

LONGEST_SILENCE = timedelta(days=7)


def acknowledge_incident(actor: Actor, *, incident_id: int, comment: str = "") -> Incident:
    """Somebody looks at it. Raises Refused (`incident.closed`, `incident.acknowledged`)."""
    row = _find(actor, incident_id)
    check(actor, "check", row.environment.slug)
    with transaction.atomic():
        moved = Incident.objects.filter(pk=row.pk, status=IncidentStatus.OPEN).update(
            status=IncidentStatus.ACKNOWLEDGED,
            acknowledged_at=timezone.now(),
            acknowledged_by=actor.name,
        )
        row.refresh_from_db()
        if not moved:
            raise _too_late(row)
        note(row, "acknowledged", comment or f"{actor.name} looks at it.", actor.name)
        record(
            actor, "monitoring.incident.acknowledged", row, environment=row.environment.slug,
            comment=comment,
        )  # fmt: skip
        tell(row, "acknowledged")
        announce_incident(row)
    return row


def silence_incident(actor: Actor, *, incident_id: int, minutes: int, reason: str = "") -> Incident:
    """
    Nobody is told of it for `minutes` (1 to a week); 0 lifts the silence. It stays open. Raises
    Refused (`incident.closed`, `silence.length`).
    """
    row = _find(actor, incident_id)
    check(actor, "check", row.environment.slug)
    length = timedelta(minutes=minutes)
    if not timedelta() <= length <= LONGEST_SILENCE:
        raise Refused("silence.length", "A silence lasts from 1 minute to 7 days; 0 lifts it.")
    until = timezone.now() + length if minutes else None
    with transaction.atomic():
        open_ones = Incident.objects.open().filter(pk=row.pk)
        moved = open_ones.update(silenced_until=until, silenced_by=actor.name if until else "")
        row.refresh_from_db()
        if not moved:
            raise _too_late(row)
        words = f"Silenced until {until:%Y-%m-%d %H:%M} UTC." if until else "The silence is lifted."
        note(row, "silenced" if until else "unsilenced", f"{words} {reason}".strip(), actor.name)
        record(
            actor, "monitoring.incident.silenced", row, environment=row.environment.slug,
            minutes=minutes, reason=reason,
        )  # fmt: skip
        announce_incident(row)
    return row


def close_incident(actor: Actor, *, incident_id: int, reason: str = "") -> Incident:
    """
    Ends an alarm of the portal. What checks or Alertmanager opened closes when it is over: Refused
    (`incident.closes_itself`).
    """
    row = _find(actor, incident_id)
    check(actor, "check", row.environment.slug)
    if row.source != IncidentSource.PORTAL:
        raise Refused(
            "incident.closes_itself",
            f"Incident {row.pk} closes when {row.thing} is well again.",
            next_step="Silence it, or pause the check while you work on it.",
        )
    with transaction.atomic():
        if not close(row, reason or f"Closed by {actor.name}.", actor.name):
            row.refresh_from_db()
            raise _too_late(row)
        record(
            actor, "monitoring.incident.closed", row, environment=row.environment.slug,
            reason=reason,
        )  # fmt: skip
        announce_incident(row)
    return row


def raise_alarm(
    actor: Actor,
    *,
    environment: str,
    name: str,
    reason: str,
    severity: str = Severity.CRITICAL,
) -> Incident:
    """
    Opens an incident of the portal's own (`break_glass`, `stop_the_line`) and tells every route
    that hears of its severity. One that is open already is not opened twice.
    """
    place = find_environment(actor, environment)
    check(actor, "check", environment)
    with transaction.atomic():
        row = open_incident(
            place,
            source=IncidentSource.PORTAL,
            key=f"portal:{name}",
            thing=name.replace("_", " "),
            severity=severity,
            reason=reason,
        )
        record(actor, "monitoring.alarm.raised", row, environment=environment, reason=reason)
    return row


def end_alarm(actor: Actor, *, environment: str, name: str, reason: str) -> Incident | None:
    """Closes an alarm that `raise_alarm` opened under this name; None when none is open."""
    place = find_environment(actor, environment)
    check(actor, "check", environment)
    with transaction.atomic():
        rows = Incident.objects.open().filter(environment=place, source=IncidentSource.PORTAL)
        row = rows.filter(key=f"portal:{name}").first()
        if row is None or not close(row, reason, actor.name):
            return None
        record(actor, "monitoring.alarm.ended", row, environment=environment, reason=reason)
    return row


def receive_alerts(actor: Actor, *, alerts: Sequence[Alert]) -> dict[str, int]:
    """
    Takes over what Alertmanager says: firing opens, resolved closes; the same twice changes
    nothing. Raises NotFound (`environment.unknown`) before anything is written.
    """
    places = {each.environment: find_environment(actor, each.environment) for each in alerts}
    for slug in places:
        check(actor, "check", slug)
    counts = {"opened": 0, "closed": 0, "known": 0}
    with transaction.atomic():
        for alert in alerts:
            outcome, row = take(places[alert.environment], alert)
            counts[outcome] += 1
            if row is not None:
                record(
                    actor, f"monitoring.alert.{outcome}", row, environment=alert.environment,
                    fingerprint=alert.fingerprint,
                )  # fmt: skip
    return counts


def _find(actor: Actor, incident_id: int) -> Incident:
    rows = Incident.objects.visible_to(actor).select_related("environment")
    row = rows.filter(pk=incident_id).first()
    if row is None:
        raise NotFound("incident.unknown", f"There is no incident {incident_id}.")
    return row


def _too_late(row: Incident) -> Refused:
    def clock(moment: datetime | None) -> str:
        return f"{moment:%H:%M} UTC" if moment else "now"

    if row.status == IncidentStatus.CLOSED:
        return Refused(
            "incident.closed", f"Incident {row.pk} is closed since {clock(row.closed_at)}."
        )
    text = f"{row.acknowledged_by} acknowledged it at {clock(row.acknowledged_at)}."
    return Refused("incident.acknowledged", text)
