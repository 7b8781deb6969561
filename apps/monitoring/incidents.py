"""
When an incident opens, grows and closes. Everything here writes in the caller's transaction, and
decides from rows, so that it may be asked again at any time: the sweeper does.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from apps.environments.choices import Tier
from apps.environments.models import Environment
from apps.live.services import announce
from apps.monitoring import outbox
from apps.monitoring.choices import (
    OUTAGE,
    SEVERITIES,
    TROUBLE,
    Health,
    IncidentSource,
    IncidentStatus,
    Severity,
)
from apps.monitoring.models import Check, Incident, IncidentEntry

PROCESS = " process"
GONE = "Nothing watches it any more."


def thing_of(name: str) -> str:
    """What a check is about: a server and its process are one thing."""
    return name.removesuffix(PROCESS)


def follow(environment: Environment, thing: str, why: str = "") -> Incident | None:
    """
    Opens, changes or closes the incident of a thing by what its checks say now. `why` is the
    sentence of a closing that is no recovery. Unknown neither opens nor closes one.
    """
    names = (thing, f"{thing}{PROCESS}")
    checks = list(Check.objects.enabled().filter(environment=environment, name__in=names))
    bad = [check for check in checks if check.state in TROUBLE]
    rows = Incident.objects.open().filter(environment=environment, key=f"check:{thing}")
    incident = rows.first()
    if bad:
        return _worst_of(environment, thing, bad, incident)
    unsure = any(check.health in (Health.UNKNOWN, Health.SUSPECT) for check in checks)
    if incident and (why or not unsure):
        close(incident, why or ("Every check of it is well again." if checks else GONE))
    return incident


def _worst_of(
    environment: Environment, thing: str, bad: list[Check], incident: Incident | None
) -> Incident:
    severity = max((severity_of(check) for check in bad), key=SEVERITIES.index)
    worst = next(check for check in bad if severity_of(check) == severity)
    outage = any(check.state in OUTAGE for check in bad)
    reason = f"{worst.name}: {worst.health_reason or worst.state.label}"
    if incident is None:
        return open_incident(
            environment,
            source=IncidentSource.CHECK,
            key=f"check:{thing}",
            thing=thing,
            severity=severity,
            reason=reason,
            outage=outage,
        )
    if (incident.severity, incident.outage_at is not None) != (severity, outage):
        change(incident, severity=severity, reason=reason, outage=outage)
    return incident


def severity_of(check: Check) -> str:
    """An outage is critical where people depend on it: in staging and production."""
    serious = check.environment.tier in (Tier.STAGING, Tier.PRODUCTION)
    return Severity.CRITICAL if check.state in OUTAGE and serious else Severity.WARNING


def open_incident(
    environment: Environment,
    *,
    source: str,
    key: str,
    thing: str,
    severity: str,
    reason: str,
    outage: bool = False,
    occurrence: str = "",
) -> Incident:
    """The open incident of this key; a new one is told. Two at once make one."""
    now = timezone.now()
    incident, made = Incident.objects.open().get_or_create(
        environment=environment,
        key=key[:160],
        defaults={
            "source": source,
            "thing": thing[:120],
            "severity": severity,
            "reason": reason[:300],
            "opened_at": now,
            "closed_at": None,
            "outage_at": now if outage else None,
            "occurrence": occurrence,
        },
    )
    if made:
        note(incident, "opened", reason)
        outbox.tell(incident, "opened")
        announce_incident(incident)
    return incident


def change(incident: Incident, *, severity: str, reason: str, outage: bool) -> None:
    """What is wrong has changed. Only what grew worse is told, and asks for a person, again."""
    worse = SEVERITIES.index(severity) > SEVERITIES.index(incident.severity)
    incident.severity, incident.reason = severity, reason[:300]
    if outage and incident.outage_at is None:
        incident.outage_at = timezone.now()
    if worse:
        incident.status, incident.acknowledged_at = IncidentStatus.OPEN, None
        incident.acknowledged_by = ""
    incident.save()
    note(incident, "worsened" if worse else "changed", reason)
    if worse:
        outbox.tell(incident, "worsened")
    announce_incident(incident)


def close(incident: Incident, text: str, by: str = "") -> bool:
    """Closes it once; False when somebody was faster."""
    now = timezone.now()
    moved = Incident.objects.open().filter(pk=incident.pk)
    if not moved.update(status=IncidentStatus.CLOSED, closed_at=now):
        return False
    incident.status, incident.closed_at = IncidentStatus.CLOSED, now
    note(incident, "closed", text, by)
    outbox.tell(incident, "closed")
    announce_incident(incident)
    return True


def note(
    incident: Incident, kind: str, text: str, by: str = "", at: datetime | None = None
) -> IncidentEntry:
    """One more line of the timeline."""
    return IncidentEntry.objects.create(
        incident=incident, kind=kind, text=text[:400], by=by, at=at or timezone.now()
    )


def announce_incident(incident: Incident) -> None:
    """Every page that shows it hears of it."""
    slug = incident.environment.slug
    said = {"incident": incident.pk, "status": incident.status, "severity": incident.severity}
    for topic in ("monitoring", f"environment:{slug}", "fleet"):
        announce(topic, "incident.changed", environment=slug, **said)
