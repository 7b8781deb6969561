"""Kinds of checks, what they found, and the words for it."""

from __future__ import annotations

from django.db import models


class CheckKind(models.TextChoices):
    HTTP = "http", "HTTP"
    TCP = "tcp", "TCP"
    PROCESS = "process", "Process"
    MCP = "mcp", "MCP"
    DNS = "dns", "DNS"
    DISK = "disk", "Disk"
    CERTIFICATE = "certificate", "Certificate"
    POSTGRES = "postgres", "PostgreSQL"
    REDIS = "redis", "Redis"
    CONTAINER = "container", "Container"
    HEARTBEAT = "heartbeat", "Heartbeat"
    PORTAL = "portal", "Portal"


class Health(models.TextChoices):
    UNKNOWN = "unknown", "Unknown"
    HEALTHY = "healthy", "Healthy"
    DEGRADED = "degraded", "Degraded"
    SUSPECT = "suspect", "Suspect"
    UNREACHABLE = "unreachable", "Unreachable"
    AUTH_REQUIRED = "auth_required", "Needs credentials"
    MISCONFIGURED = "misconfigured", "Misconfigured"
    INCOMPATIBLE = "incompatible", "Incompatible"
    PROTOCOL_ERROR = "protocol_error", "Protocol error"

    @property
    def tone(self) -> str:
        return HEALTH_TONES[self]


HEALTH_TONES = {
    Health.UNKNOWN: "unknown",
    Health.HEALTHY: "ok",
    Health.DEGRADED: "warn",
    Health.SUSPECT: "warn",
    Health.UNREACHABLE: "bad",
    Health.AUTH_REQUIRED: "warn",
    Health.MISCONFIGURED: "bad",
    Health.INCOMPATIBLE: "bad",
    Health.PROTOCOL_ERROR: "bad",
}

# What opens an incident. A suspect is not believed yet, and unknown is a status, not trouble.
TROUBLE = frozenset(HEALTH_TONES) - {Health.UNKNOWN, Health.HEALTHY, Health.SUSPECT}
# Trouble in which nobody is served: it spends the error budget.
OUTAGE = frozenset(health for health, tone in HEALTH_TONES.items() if tone == "bad")


class Severity(models.TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"

    @property
    def tone(self) -> str:
        return {"info": "off", "warning": "warn", "critical": "bad"}[self.value]

    @property
    def at_least(self) -> list[str]:
        """It and what is worse."""
        return SEVERITIES[SEVERITIES.index(self.value) :]


SEVERITIES = [member.value for member in Severity]


class IncidentStatus(models.TextChoices):
    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    CLOSED = "closed", "Closed"

    @property
    def tone(self) -> str:
        return {"open": "bad", "acknowledged": "warn", "closed": "off"}[self.value]


class IncidentSource(models.TextChoices):
    CHECK = "check", "Checks"
    ALERT = "alert", "Alertmanager"
    PORTAL = "portal", "The portal"


class RouteKind(models.TextChoices):
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack-compatible"


class DeliveryStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENT = "sent", "Sent"
    GIVEN_UP = "given_up", "Given up"

    @property
    def tone(self) -> str:
        return {"queued": "busy", "sent": "ok", "given_up": "bad"}[self.value]
