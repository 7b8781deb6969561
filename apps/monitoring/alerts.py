"""What Alertmanager's webhook says, as incidents. Its fingerprint and start name one alert."""

from __future__ import annotations

import dataclasses
from typing import Literal

from apps.environments.models import Environment
from apps.monitoring.choices import SEVERITIES, IncidentSource, Severity
from apps.monitoring.incidents import close, open_incident
from apps.monitoring.models import Incident

Outcome = Literal["opened", "closed", "known"]


@dataclasses.dataclass(frozen=True)
class Alert:
    """One alert; `occurrence` is its start, which a new time of the same trouble changes."""

    environment: str
    fingerprint: str
    occurrence: str
    firing: bool
    name: str
    severity: str
    summary: str


def take(environment: Environment, alert: Alert) -> tuple[Outcome, Incident | None]:
    """
    Opens or closes what the alert names, in the caller's transaction. Messages come twice and out
    of order: one that closed is not opened by its own late firing.
    """
    rows = Incident.objects.filter(environment=environment, key=f"alert:{alert.fingerprint}")
    now_open = rows.open().select_related("environment").first()
    if not alert.firing:
        if now_open is None or now_open.occurrence > alert.occurrence:
            return "known", None
        close(now_open, "Alertmanager says it is resolved.")
        return "closed", now_open
    if now_open is not None or rows.filter(occurrence=alert.occurrence).exists():
        return "known", None
    return "opened", open_incident(
        environment,
        source=IncidentSource.ALERT,
        key=f"alert:{alert.fingerprint}",
        thing=alert.name,
        severity=alert.severity if alert.severity in SEVERITIES else Severity.WARNING,
        reason=alert.summary,
        occurrence=alert.occurrence,
    )
