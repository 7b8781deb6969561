"""When changes are forbidden and when they are allowed; who holds a place; the line stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.utils import timezone

from apps.core.permissions import Actor
from apps.environments.calendar import LocalRule, Period


class Recurring(models.Model):
    """A weekly rule in local time; without `begins` there is none."""

    # Numbers, 0 is Monday; empty: every day.
    weekdays = models.JSONField(default=list, blank=True)
    begins = models.TimeField(null=True, blank=True)
    ends = models.TimeField(null=True, blank=True)
    # IANA name.
    zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        abstract = True

    SECOND_END = True

    @property
    def rule(self) -> LocalRule | None:
        if self.begins is None or self.ends is None:
            return None
        return LocalRule(
            frozenset(self.weekdays), self.begins, self.ends, self.zone, self.SECOND_END
        )


Row = TypeVar("Row", bound=models.Model)


class OfPlaces(models.QuerySet[Row]):
    """Rows of one environment or of all of them: the latter are everybody's to see."""

    def visible_to(self, actor: Actor) -> Self:
        slugs = actor.visible_environments()
        if slugs is None:
            return self
        mine = models.Q(environment__slug__in=slugs) | models.Q(environment__isnull=True)
        return self.filter(mine) if slugs else self.none()


class FreezeQuerySet(OfPlaces["Freeze"]):
    def standing(self) -> FreezeQuerySet:
        """Those that hold now or will, the earliest first."""
        rows = self.filter(lifted_at__isnull=True).exclude(ends_at__lte=timezone.now())
        return rows.order_by("starts_at", "pk")


class Freeze(Recurring):
    """
    Changes are forbidden: from `starts_at` until `ends_at` (UTC), with a rule only in its periods
    between them. Without environment it holds in all of them; without `ends_at` until it is lifted.
    """

    environment = models.ForeignKey(
        "environments.Environment",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="freezes",
    )
    reason = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=150)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    objects = FreezeQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                name="freeze_ends_after_it_starts",
                condition=models.Q(ends_at__gt=models.F("starts_at")),
            ),
            models.CheckConstraint(
                name="freeze_has_an_end_or_a_rule",
                condition=models.Q(ends_at__isnull=False) | models.Q(begins__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"freeze {self.pk} of {self.place}"

    @property
    def place(self) -> str:
        return self.environment.slug if self.environment else "all environments"

    def in_words(self) -> str:
        """Until when, and why."""
        return f"{self.span_in_words()}: {self.reason}"

    def span_in_words(self) -> str:
        """`until 2027-01-04 09:00 UTC`, or the hours in which it recurs."""
        hours = [self.rule.in_words()] if self.rule else []
        until = [f"until {self.ends_at:%Y-%m-%d %H:%M} UTC"] if self.ends_at else []
        return ", ".join([*hours, *until])

    @property
    def holds_now(self) -> bool:
        return self.period_at(timezone.now()) is not None

    def period_at(self, now: datetime) -> Period | None:
        """The time around `now` in which it forbids changes; None when it does not."""
        over = self.lifted_at is not None or (self.ends_at is not None and self.ends_at <= now)
        if over or self.starts_at > now:
            return None
        if self.rule is None:
            return Period(self.starts_at, self.ends_at) if self.ends_at else None
        found = self.rule.period_at(now)
        if found is None:
            return None
        return Period(max(found.start, self.starts_at), min(found.end, self.ends_at or found.end))


class WindowQuerySet(OfPlaces["Window"]):
    def standing(self) -> WindowQuerySet:
        """Those that nobody took away."""
        return self.filter(ended_at=None)


class Window(Recurring):
    """
    Changes are allowed only inside. As soon as an environment has one (of its own or of all), it is
    closed outside of all of them.
    """

    SECOND_END = False

    environment = models.ForeignKey(
        "environments.Environment",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="windows",
    )
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)

    objects = WindowQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="window_has_a_rule",
                condition=models.Q(begins__isnull=False, ends__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"window {self.pk} of {self.place}"

    def in_words(self) -> str:
        """The hours in which changes begin."""
        return self.rule.in_words() if self.rule else ""

    @property
    def place(self) -> str:
        return self.environment.slug if self.environment else "all environments"


class NamedLock(models.Model):
    """Somebody keeps an environment to themselves for a while: only their own deployments pass."""

    environment = models.ForeignKey(
        "environments.Environment", models.CASCADE, related_name="named_locks"
    )
    name = models.CharField(max_length=60)
    owner = models.CharField(max_length=150)
    owner_id = models.BigIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=200)
    taken_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=150, blank=True)

    objects = OfPlaces["NamedLock"].as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"lock {self.name}"


class StopQuerySet(models.QuerySet["Stop"]):
    def visible_to(self, actor: Actor) -> StopQuerySet:
        """Everybody who may see anything is stopped by it."""
        slugs = actor.visible_environments()
        return self if slugs is None or slugs else self.none()


class Stop(models.Model):
    """The line is stopped: no mutating run of the installation begins until somebody lifts it."""

    reason = models.CharField(max_length=200)
    stopped_at = models.DateTimeField(auto_now_add=True)
    stopped_by = models.CharField(max_length=150)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    lifted_because = models.CharField(max_length=200, blank=True)

    objects = StopQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            # One row at a time: the value is the same in each that stands.
            models.UniqueConstraint(
                models.Value(1), name="one_stop_at_a_time", condition=models.Q(lifted_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"stop {self.pk}"
