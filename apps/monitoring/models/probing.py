"""What the prober needs beside the checks: allowed ranges, calls of jobs, hours, ticks."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

from apps.core.permissions import Actor
from apps.environments.models import Environment
from apps.monitoring.models.check import Check

STALLED = timedelta(seconds=90)


class AllowedRangeQuerySet(models.QuerySet["AllowedRange"]):
    def visible_to(self, actor: Actor) -> AllowedRangeQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)


class AllowedRange(models.Model):
    """
    A range that the checks of one environment may reach although it is not public. An environment
    without rows of its own has the installation's, `PROBE_RANGES`. No ports: all of them.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="allowed_ranges")
    network = models.CharField(max_length=49)
    ports = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=200)
    made_at = models.DateTimeField(auto_now_add=True)

    objects = AllowedRangeQuerySet.as_manager()

    class Meta:
        ordering = ["environment", "network"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "network"], name="allowed_range_once")
        ]

    def __str__(self) -> str:
        return f"{self.environment.slug}: {self.network}"


class Heartbeat(models.Model):
    """Calls of a job. `nonce` makes its token; a new nonce makes the old token void."""

    check_row = models.OneToOneField(Check, models.CASCADE, related_name="heartbeat")
    nonce = models.CharField(max_length=32)
    since = models.DateTimeField()
    called_at = models.DateTimeField(null=True, blank=True)
    calls = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"heartbeat of {self.check_row}"


class CheckHour(models.Model):
    """One check's results of one hour, counted; latencies in milliseconds of looks that had one."""

    check_row = models.ForeignKey(Check, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    looks = models.PositiveIntegerField()
    healthy = models.PositiveIntegerField()
    degraded = models.PositiveIntegerField()
    unknown = models.PositiveIntegerField()
    latency_mean = models.FloatField(null=True)
    latency_most = models.FloatField(null=True)

    class Meta:
        ordering = ["-hour"]
        constraints = [
            models.UniqueConstraint(fields=["check_row", "hour"], name="check_hour_once")
        ]

    def __str__(self) -> str:
        return f"{self.looks} looks from {self.hour}"


class RoundTick(models.Model):
    """
    The prober's pulse, one row. A tick is late when it came more than half a period after its time,
    and missed when another one should have come before it.
    """

    name = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField()
    ticks = models.PositiveBigIntegerField(default=0)
    late = models.PositiveBigIntegerField(default=0)
    missed = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"

    @property
    def due(self) -> int:
        """How many should have come."""
        return self.ticks + self.missed

    @property
    def is_stalled(self) -> bool:
        """For so long that nothing shown of checks is true any more."""
        return timezone.now() - self.at > STALLED
