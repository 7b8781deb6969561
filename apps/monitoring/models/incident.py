"""A time of trouble, and what happened in it."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone

from apps.core.permissions import Actor
from apps.environments.models import Environment
from apps.monitoring.choices import IncidentSource, IncidentStatus, Severity


class IncidentQuerySet(models.QuerySet["Incident"]):
    def visible_to(self, actor: Actor) -> IncidentQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)

    def open(self) -> IncidentQuerySet:
        return self.filter(closed_at__isnull=True)


class Incident(models.Model):
    """
    One time of trouble of one thing in one environment. `key` says what is grouped
    (`check:memory`, `alert:<fingerprint>`, `portal:break_glass`); `occurrence` tells two times of
    an alert apart. Closed ones stay as they were.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="incidents")
    source = models.CharField(max_length=8, choices=IncidentSource.choices)
    key = models.CharField(max_length=160)
    occurrence = models.CharField(max_length=40, blank=True)
    thing = models.CharField(max_length=120)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    reason = models.CharField(max_length=300, blank=True)
    status = models.CharField(
        max_length=12, choices=IncidentStatus.choices, default=IncidentStatus.OPEN
    )
    # Somebody was not served: from then on it spends the error budget.
    outage_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    silenced_until = models.DateTimeField(null=True, blank=True)
    silenced_by = models.CharField(max_length=150, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "key"],
                name="one_open_incident",
                condition=models.Q(closed_at__isnull=True),
            )
        ]
        indexes = [
            models.Index(fields=["environment", "-id"], name="incident_by_environment"),
            models.Index(fields=["status", "-id"], name="incident_by_status"),
            models.Index(fields=["severity", "-id"], name="incident_by_severity"),
            models.Index(fields=["source", "-id"], name="incident_by_source"),
            models.Index(fields=["key", "occurrence"], name="incident_by_key"),
            models.Index(fields=["closed_at"], name="incident_by_end"),
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}: {self.thing} in {self.environment.slug}"

    @property
    def state(self) -> IncidentStatus:
        """The status with its word and tone."""
        return IncidentStatus(self.status)

    @property
    def weight(self) -> Severity:
        """The severity with its word and tone."""
        return Severity(self.severity)

    def is_silent(self, now: datetime | None = None) -> bool:
        return bool(self.silenced_until and self.silenced_until > (now or timezone.now()))


class IncidentEntry(models.Model):
    """One line of the timeline: `kind` is a word of the portal, `text` a sentence."""

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="entries")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20)
    text = models.CharField(max_length=400)
    by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
