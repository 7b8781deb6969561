"""Is it well? What is watched, and what was found."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, cast

from django.db import connections, models

from apps.core.permissions import Actor
from apps.environments.models import Environment
from apps.monitoring.choices import CheckKind, Health


class Seen(Protocol):
    """What is stored of a finding."""

    found: Health
    code: str
    reason: str
    latency_ms: float | None
    steps: list[dict[str, Any]]


class CheckQuerySet(models.QuerySet["Check"]):
    def visible_to(self, actor: Actor) -> CheckQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)

    def enabled(self) -> CheckQuerySet:
        return self.filter(is_enabled=True)

    def write(self, rows: Sequence[Check], fields: Sequence[str]) -> None:
        """Writes these fields of many rows by one prepared UPDATE: a tenth of `bulk_update`."""
        known = {field.name: field for field in Check._meta.concrete_fields}  # noqa: SLF001 - Django's public model API
        columns = [known[name] for name in fields]
        database = connections[self.db]
        self._set(
            [column.column or column.name for column in columns],
            [
                [
                    *(c.get_db_prep_save(getattr(row, c.attname), database) for c in columns),
                    row.pk,
                ]
                for row in rows
            ],
        )

    def pace(self, rows: Sequence[Check]) -> None:
        """Writes the moments and the latency of checks that stay as they are."""
        # A moment stands in two columns of what is well.
        when = functools.cache(connections[self.db].ops.adapt_datetimefield_value)
        self._set(
            ("latency_ms", "last_checked_at", "last_healthy_at", "next_check_at"),
            [
                (
                    row.latency_ms,
                    when(row.last_checked_at),
                    when(row.last_healthy_at),
                    when(row.next_check_at),
                    row.pk,
                )
                for row in rows
            ],
        )

    def lease(self, rows: Sequence[Check], until: datetime) -> None:
        """Moves the next look of each row, for it has been taken: a tenth of `pk__in`."""
        moment = connections[self.db].ops.adapt_datetimefield_value(until)
        self._set(("next_check_at",), [(moment, row.pk) for row in rows])

    def _set(self, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """One prepared UPDATE for each of the values, which end with the key of their row."""
        if not values:
            return
        database = connections[self.db]
        quote = database.ops.quote_name
        sets = ", ".join(f"{quote(column)} = %s" for column in columns)
        with database.cursor() as cursor:
            table = quote(Check._meta.db_table)  # noqa: SLF001 - Django's public model API
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE id = %s", values)  # noqa: S608 - names of our own columns


class Check(models.Model):
    """
    One watched thing. `parameters` is typed by kind (`{"url"}`, `{"host", "port"}`, `{"process"}`).
    Intervals and time limits are seconds, latencies milliseconds.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="checks")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=CheckKind.choices)
    parameters = models.JSONField(default=dict)
    interval = models.PositiveIntegerField(default=15)
    time_limit = models.FloatField(default=5.0)
    fall = models.PositiveSmallIntegerField(default=3)
    rise = models.PositiveSmallIntegerField(default=2)
    is_enabled = models.BooleanField(default=True)
    # Counts in the verification of deployments although no deployment made it.
    is_gate = models.BooleanField(default=False)
    # Who made it: "" a person, "deployment" the outputs of a run.
    source = models.CharField(max_length=20, blank=True)

    health = models.CharField(max_length=16, choices=Health.choices, default=Health.UNKNOWN)
    health_reason = models.CharField(max_length=300, blank=True)
    health_since = models.DateTimeField(null=True, blank=True)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_healthy_at = models.DateTimeField(null=True, blank=True)
    failures_in_a_row = models.PositiveIntegerField(default=0)
    successes_in_a_row = models.PositiveIntegerField(default=0)
    latency_ms = models.FloatField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True, db_index=True)
    # What the prober remembers between looks, for instance the protocol era of an MCP server.
    memory = models.JSONField(default=dict, blank=True)

    objects = CheckQuerySet.as_manager()

    class Meta:
        ordering = ["environment", "name"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="check_once")]
        indexes = [
            models.Index(fields=["environment", "is_enabled", "health"], name="check_by_health"),
            # Every page asks each environment for its trouble, and whether anything is well.
            models.Index(fields=["health", "environment", "is_enabled"], name="check_health_of"),
            models.Index(fields=["health", "-id"], name="check_newest_by_health"),
            models.Index(fields=["kind", "-id"], name="check_by_kind"),
            models.Index(fields=["is_enabled", "-id"], name="check_by_switch"),
            models.Index(fields=["source", "-id"], name="check_by_source"),
            models.Index(fields=["name", "-id"], name="check_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.environment.slug}: {self.name}"

    @property
    def state(self) -> Health:
        """The health with its word and tone."""
        return Health(self.health)


class CheckResultQuerySet(models.QuerySet["CheckResult"]):
    def not_healthy(self) -> CheckResultQuerySet:
        """Those that are not healthy, in the very words of their index: SQLite wants to read it."""
        rows = self.extra(where=["NOT (found = 'healthy')"])
        return cast("CheckResultQuerySet", rows)

    def append(self, looked: Sequence[tuple[int, datetime, Seen]]) -> None:
        """
        Stores what looks found, by key of the check and moment, in one prepared INSERT. Rows of
        thousands of looks a minute are not worth an object each.
        """
        if not looked:
            return
        database = connections[self.db]
        quote = database.ops.quote_name
        when = database.ops.adapt_datetimefield_value
        values = [
            (key, when(at), str(f.found), f.code, f.reason, f.latency_ms, json.dumps(f.steps))
            for key, at, f in looked
        ]
        columns = ("check_row_id", "at", "found", "code", "reason", "latency_ms", "detail")
        names = ", ".join(map(quote, columns))
        with database.cursor() as cursor:
            table = quote(CheckResult._meta.db_table)  # noqa: SLF001 - Django's public model API
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", values)  # noqa: S608 - names of our own columns


class CheckResult(models.Model):
    """One look. `found` is what this look alone found; the check's health needs several."""

    check_row = models.ForeignKey(Check, models.CASCADE, related_name="results")
    at = models.DateTimeField()
    found = models.CharField(max_length=16, choices=Health.choices)
    # Class of what was found: `refused`, `timeout`, `rate_limited`; empty when all was well.
    code = models.CharField(max_length=30, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    latency_ms = models.FloatField(null=True)
    # Steps of the probe: `[{"step", "passed", "ms", "detail"}]`.
    detail = models.JSONField(default=list, blank=True)

    objects = CheckResultQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["check_row", "-id"], name="result_by_check"),
            # What is well is nearly everything, and found without: most writes leave it alone.
            models.Index(
                fields=["check_row", "found", "-id"],
                name="result_not_healthy",
                condition=~models.Q(found="healthy"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.found} at {self.at}"

    @property
    def state(self) -> Health:
        """What was found, with its word and tone."""
        return Health(self.found)
