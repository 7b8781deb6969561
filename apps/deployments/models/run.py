"""One engine operation on one stack, its events, its claim on the stack."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.permissions import Actor
from apps.deployments.choices import (
    MUTATING,
    RUN_ACTIVE,
    RUN_TERMINAL,
    RUN_TRANSITIONS,
    Operation,
    RunStatus,
)
from apps.deployments.models.deployment import Deployment
from apps.environments.models import Stack


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, actor: Actor) -> RunQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(stack__environment__slug__in=slugs)

    def active(self) -> RunQuerySet:
        return self.filter(status__in=RUN_ACTIVE)


class Run(models.Model):
    """
    Process facts (host, pid, start ticks, boot id) identify the run process for ever: a pid alone
    is reused. `engine_pid` and `engine_start_ticks` are the engine's own.
    """

    stack = models.ForeignKey(Stack, models.PROTECT, related_name="runs")
    deployment = models.ForeignKey(
        Deployment, models.PROTECT, null=True, blank=True, related_name="runs"
    )
    operation = models.CharField(max_length=8, choices=Operation.choices)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    # Read by the partial unique index: what is active and mutating.
    mutating = models.BooleanField()
    requested_at = models.DateTimeField(auto_now_add=True)
    requested_by = models.CharField(max_length=150)
    # What only this run has: `clear_pending_creates`, `settled`, `step` of a recovery.
    parameters = models.JSONField(default=dict, blank=True)
    fence = models.BigIntegerField(null=True, blank=True)
    host = models.CharField(max_length=200, blank=True)
    pid = models.BigIntegerField(null=True, blank=True)
    start_ticks = models.BigIntegerField(null=True, blank=True)
    boot_id = models.CharField(max_length=40, blank=True)
    host_pid = models.BigIntegerField(null=True, blank=True)
    host_start_ticks = models.BigIntegerField(null=True, blank=True)
    engine_pid = models.BigIntegerField(null=True, blank=True)
    engine_start_ticks = models.BigIntegerField(null=True, blank=True)
    engine_name = models.CharField(max_length=20, blank=True)
    engine_version = models.CharField(max_length=40, blank=True)
    provider_version = models.CharField(max_length=40, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    exit_message_id = models.CharField(max_length=60, blank=True)
    exit_reason = models.TextField(blank=True)
    exit_next_step = models.TextField(blank=True)
    changes = models.JSONField(default=dict, blank=True)
    outputs = models.JSONField(default=dict, blank=True)
    # A drift run's finding, in the shape of a deployment's plan.
    drift = models.JSONField(default=dict, blank=True)
    pending_operations = models.JSONField(default=list, blank=True)
    state_digest_before = models.CharField(max_length=64, blank=True)
    state_digest_after = models.CharField(max_length=64, blank=True)
    plan_digest = models.CharField(max_length=64, blank=True)
    last_sequence = models.BigIntegerField(default=0)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stack"],
                name="one_mutating_run_per_stack",
                condition=models.Q(mutating=True, status__in=[s.value for s in sorted(RUN_ACTIVE)]),
            )
        ]
        indexes = [
            models.Index(fields=["stack", "-id"], name="run_by_stack"),
            models.Index(fields=["stack", "operation", "-id"], name="run_by_stack_operation"),
            models.Index(fields=["status", "-id"], name="run_by_status_newest"),
            models.Index(fields=["operation", "-id"], name="run_by_operation"),
            models.Index(fields=["requested_at", "-id"], name="run_by_request"),
            models.Index(fields=["operation", "status", "-id"], name="run_by_operation_status"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.operation})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.mutating = self.operation in MUTATING
        super().save(*args, **kwargs)

    @property
    def state(self) -> RunStatus:
        """The status with its word and tone."""
        return RunStatus(self.status)

    @property
    def is_terminal(self) -> bool:
        return self.status in RUN_TERMINAL

    def move(self, to: RunStatus, *, fence: int | None = None, **fields: Any) -> bool:
        """
        Compare-and-set from the status this object was read with. With `fence` the row must still
        carry it: a late writer changes nothing. False when the row had moved on.
        """
        if to not in RUN_TRANSITIONS[RunStatus(self.status)]:
            return False
        rows = Run.objects.filter(pk=self.pk, status=self.status)
        if fence is not None:
            rows = rows.filter(fence=fence)
        moved = rows.update(status=to, **fields)
        if moved:
            self.status = to
            for name, value in fields.items():
                setattr(self, name, value)
        return bool(moved)


class DriftLook(Run):
    """A run of operation `drift`, for the list of looks."""

    class Meta:
        proxy = True

    def __str__(self) -> str:
        return f"look {self.pk} for drift"


class RunEvent(models.Model):
    """One ordered, redacted line of a run; `sequence` starts at 1 and has no gaps."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    urn = models.CharField(max_length=500, blank=True)
    type = models.CharField(max_length=120, blank=True)
    operation = models.CharField(max_length=30, blank=True)
    status = models.CharField(max_length=20, blank=True)
    severity = models.CharField(max_length=10, blank=True)
    message = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["run", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["run", "sequence"], name="event_sequence_once")
        ]

    def __str__(self) -> str:
        return f"event {self.sequence} of run {self.run_id}"


class Lease(models.Model):
    """
    Our claim on a stack (`lock` is Pulumi's). `fence` only grows: whoever holds an older number
    has lost it. One row per stack, kept for ever.
    """

    stack = models.OneToOneField(Stack, models.CASCADE, related_name="lease")
    fence = models.BigIntegerField(default=0)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"lease {self.fence} of {self.stack_id}"


class EnginePlan(models.Model):
    """The engine's own plan of a preview, secrets as ciphertext: an update is held to it."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="engine_plan")
    document = models.JSONField()

    def __str__(self) -> str:
        return f"engine plan of run {self.run_id}"


class StateCopyQuerySet(models.QuerySet["StateCopy"]):
    def visible_to(self, actor: Actor) -> StateCopyQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(stack__environment__slug__in=slugs)


class StateCopy(models.Model):
    """
    The stack's state after a run, for comparison and restore: `{"sealed": …}`, because a program's
    output may repeat a secret in clear.
    """

    run = models.OneToOneField(Run, models.CASCADE, related_name="state_copy")
    # The run's own: lists are read by it, from an index.
    stack = models.ForeignKey("environments.Stack", models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    resources = models.PositiveIntegerField(default=0)
    document = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    objects = StateCopyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["stack", "-id"], name="state_copy_by_stack")]

    def __str__(self) -> str:
        return f"state after run {self.run_id}"
