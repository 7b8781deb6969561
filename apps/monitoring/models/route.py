"""Who hears of trouble, and what was sent."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, time, timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from apps.core.permissions import Actor
from apps.core.sealing import seal, unseal
from apps.environments.models import Environment
from apps.monitoring.choices import DeliveryStatus, RouteKind, Severity
from apps.monitoring.models.incident import Incident


class OfPlaceQuerySet(models.QuerySet[Any]):
    """Rows of a route. One of all environments is seen by whoever may look everywhere."""

    path = "environment__slug__in"

    def visible_to(self, actor: Actor) -> Any:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(**{self.path: slugs})


class DeliveryQuerySet(OfPlaceQuerySet):
    path = "route__environment__slug__in"


class AlertRoute(models.Model):
    """
    Where messages go: `environment` null for all of them, from `severity` upwards. The address of
    a webhook is itself a secret, so it is sealed; `shown` is what people see of it. Quiet hours are
    UTC and may pass midnight; what is critical does not wait for their end.
    """

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=8, choices=RouteKind.choices)
    environment = models.ForeignKey(
        Environment, models.CASCADE, null=True, blank=True, related_name="alert_routes"
    )
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    shown = models.CharField(max_length=200)
    sealed = models.TextField()
    is_enabled = models.BooleanField(default=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)

    objects = OfPlaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["kind", "name"], name="route_by_kind"),
            models.Index(fields=["severity", "name"], name="route_by_severity"),
            models.Index(fields=["is_enabled", "name"], name="route_by_switch"),
        ]

    def __str__(self) -> str:
        return self.name

    def put(self, address: str, secret: str) -> None:
        """Seals where it goes and what signs it, for this very route."""
        text = json.dumps({"address": address, "secret": secret})
        self.sealed = seal(text, f"alert_route:{self.name}")

    def opened(self) -> tuple[str, str]:
        """Address and signing secret. Raises OurFault when the key ring does not open it."""
        found = json.loads(unseal(self.sealed, f"alert_route:{self.name}"))
        return found["address"], found["secret"]

    def quiet_until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now` lies in; None outside of them."""
        begin, end = self.quiet_from, self.quiet_to
        if begin is None or end is None or begin == end:
            return None
        clock = now.time()
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        if not inside:
            return None
        over = datetime.combine(now.date(), end, now.tzinfo)
        return over if over > now else over + timedelta(days=1)


class Delivery(models.Model):
    """
    One message to one route: the outbox and the log. `message_id` stays the same over retries, so a
    receiver knows a repetition. `next_at` is when it is tried next; claiming it moves that.
    """

    route = models.ForeignKey(AlertRoute, models.CASCADE, related_name="deliveries")
    incident = models.ForeignKey(
        Incident, models.CASCADE, null=True, blank=True, related_name="deliveries"
    )
    message_id = models.CharField(max_length=40, unique=True)
    event = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    payload = models.JSONField()
    status = models.CharField(
        max_length=8, choices=DeliveryStatus.choices, default=DeliveryStatus.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # What the receiver said, or why it could not be asked.
    answer = models.CharField(max_length=300, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "-id"], name="delivery_by_status"),
            models.Index(fields=["severity", "-id"], name="delivery_by_severity"),
            models.Index(fields=["route", "-id"], name="delivery_by_route"),
            models.Index(fields=["next_at"], name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.route}"

    @property
    def state(self) -> DeliveryStatus:
        """The status with its word and tone."""
        return DeliveryStatus(self.status)


def new_message_id() -> str:
    """`msg_<32 hexadecimal digits>`, unique for ever."""
    return f"msg_{uuid.uuid4().hex}"


def parse_clock(text: str) -> time | None:
    """`22:00` as a time; None for nothing. Raises ValueError for anything else."""
    return datetime.strptime(text, "%H:%M").time() if text else None  # noqa: DTZ007 - a clock, no moment
