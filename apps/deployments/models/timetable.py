"""Deployments at a time: once, by cron, and the end of an environment's life."""

from __future__ import annotations

from datetime import datetime
from typing import Self, TypeVar

from django.db import models

from apps.core.permissions import Actor
from apps.deployments.choices import FiringOutcome, Kind
from apps.deployments.models.deployment import Deployment
from apps.environments.cron import parse
from apps.environments.models import Environment

Row = TypeVar("Row", bound=models.Model)


class OfEnvironment(models.QuerySet[Row]):
    def visible_to(self, actor: Actor) -> Self:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)


class Schedule(models.Model):
    """
    A deployment at `next_at` (UTC): once, or again and again by `cron` in `zone`. Beats compare and
    set `next_at`, so that a moment fires once however many they are.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DEPLOY)
    cron = models.CharField(max_length=100, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    # Later than this a moment that was missed is skipped, and recorded.
    late_minutes = models.PositiveIntegerField(default=15)
    # Applies its plan by itself where the environment asks nobody for approval.
    unattended = models.BooleanField(default=False)
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    created_by_id = models.BigIntegerField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True, db_index=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)

    objects = OfEnvironment["Schedule"].as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"schedule {self.name}"

    def following(self, last: datetime) -> datetime | None:
        """The next moment after this one; None for a schedule that fires once."""
        return parse(self.cron, self.zone).after(last) if self.cron else None


class Firing(models.Model):
    """What became of one moment of a schedule."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="firings")
    # The schedule's: the list of an environment's firings is walked by an index.
    environment = models.ForeignKey(Environment, models.CASCADE, related_name="+")
    due_at = models.DateTimeField()
    outcome = models.CharField(
        max_length=10, choices=FiringOutcome.choices, default=FiringOutcome.DUE, db_index=True
    )
    at = models.DateTimeField(auto_now_add=True)
    detail = models.TextField(blank=True)
    deployment = models.ForeignKey(
        Deployment, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="moment_fires_once")
        ]
        indexes = [models.Index(fields=["environment", "-id"], name="firing_by_environment")]

    def __str__(self) -> str:
        return f"firing {self.pk} of {self.schedule_id}"


class Lifetime(models.Model):
    """
    Until when an environment that is no production lives: then its destruction is requested. Each
    warning is marked before it is sent.
    """

    environment = models.OneToOneField(Environment, models.CASCADE, related_name="lifetime")
    ends_at = models.DateTimeField(db_index=True)
    reason = models.CharField(max_length=200)
    set_at = models.DateTimeField(auto_now=True)
    set_by = models.CharField(max_length=150)
    set_by_id = models.BigIntegerField(null=True, blank=True)
    warned_day_at = models.DateTimeField(null=True, blank=True)
    warned_hour_at = models.DateTimeField(null=True, blank=True)
    # A mail that could not be sent is tried again then.
    try_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    deployment = models.ForeignKey(
        Deployment, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = OfEnvironment["Lifetime"].as_manager()

    def __str__(self) -> str:
        return f"lifetime of {self.environment.slug}"
