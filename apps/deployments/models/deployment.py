"""What an operator asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from apps.core.permissions import Actor
from apps.deployments.choices import (
    DEPLOYMENT_OPEN,
    DEPLOYMENT_TRANSITIONS,
    DEPLOYMENT_UNDER_WAY,
    DeploymentStatus,
    Kind,
    Verification,
)
from apps.environments.models import Environment


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def visible_to(self, actor: Actor) -> DeploymentQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)

    def open(self) -> DeploymentQuerySet:
        return self.filter(status__in=DEPLOYMENT_OPEN)


class Deployment(models.Model):
    """
    Revision, plan, approvals, verification. `plan` has the shape of the REST contract:
    `{"summary": {...}, "changes": [{urn, type, name, operation, properties, parent}]}`, redacted.
    """

    environment = models.ForeignKey(Environment, models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DEPLOY)
    status = models.CharField(
        max_length=20, choices=DeploymentStatus.choices, default=DeploymentStatus.PLANNING
    )
    # Why it is where it is: message id, sentence, next step. Empty while all is well.
    status_code = models.CharField(max_length=60, blank=True)
    status_reason = models.TextField(blank=True)
    status_next_step = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    targets = models.JSONField(default=list, blank=True)
    # Where this revision was verified before; None when it was not promoted.
    promoted_from = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="promotions"
    )
    # What a promotion brings, told when it was asked for: see `promoting.py`.
    promotion = models.JSONField(default=dict, blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    requested_by = models.CharField(max_length=150)
    requested_by_id = models.BigIntegerField(null=True)
    # No person asked: a schedule, a webhook, a token, the portal itself. A hold stops these.
    automated = models.BooleanField(default=False)
    # Of a rollback: the deployment it undoes, and the verified one it brings back.
    rolls_back = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="rollbacks"
    )
    returns_to = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="returns"
    )
    # Of a restore: the copy of the state that is written back.
    state_copy = models.ForeignKey(
        "deployments.StateCopy", models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The automatic rollback was tried: once, whatever came of it.
    rollback_tried_at = models.DateTimeField(null=True, blank=True)
    # `{"commit", "branch", "program_digest", "config_digest"}`; see `identity.py` for the rest.
    revision = models.JSONField(default=dict, blank=True)
    # Configuration as planned: `{key: {"value"| "secret_version"}}`, secrets by version only.
    configuration = models.JSONField(default=dict, blank=True)
    plan = models.JSONField(default=dict, blank=True)
    planned_at = models.DateTimeField(null=True, blank=True)
    # The look at the environment before the plan, or before the update that came of it.
    validation = models.ForeignKey(
        "environments.Validation", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # SHA-256, hexadecimal; and the parts it was made of.
    fingerprint = models.CharField(max_length=64, blank=True)
    fingerprint_parts = models.JSONField(default=dict, blank=True)
    # Somebody applied a plan of it without what it lacked: red in the history for ever.
    glass_broken = models.BooleanField(default=False)
    verification = models.CharField(
        max_length=12, choices=Verification.choices, blank=True, default=""
    )
    # Verified, and watched until then: a check that fails before revokes it.
    soak_until = models.DateTimeField(null=True, blank=True)
    # Its plan applies itself where nobody is asked for approval; see `runner/unattended.py`.
    unattended = models.BooleanField(default=False)
    # Since when it is the first in its environment's line; None: it waits behind another.
    turn_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="supersedes"
    )
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two that may change one environment would make each other's plan stale.
            models.UniqueConstraint(
                fields=["environment"],
                name="one_deployment_has_the_turn",
                condition=models.Q(
                    turn_at__isnull=False,
                    status__in=[s.value for s in sorted(DEPLOYMENT_UNDER_WAY)],
                ),
            )
        ]
        indexes = [
            models.Index(fields=["environment", "-id"], name="deployment_by_environment"),
            models.Index(fields=["status", "-id"], name="deployment_by_status"),
            # The newest of a status in each environment: home asks for all of them at once.
            models.Index(fields=["environment", "status", "-id"], name="deployment_by_place"),
            models.Index(fields=["kind", "-id"], name="deployment_by_kind"),
            models.Index(fields=["requested_at", "-id"], name="deployment_by_request"),
        ]

    def __str__(self) -> str:
        return f"deployment {self.pk} to {self.environment.slug}"

    @property
    def state(self) -> DeploymentStatus:
        """The status with its word and tone."""
        return DeploymentStatus(self.status)

    @property
    def since(self) -> datetime:
        """Since when it waits for a person: its plan, else its request."""
        return self.planned_at or self.requested_at

    @property
    def is_open(self) -> bool:
        return self.status in DEPLOYMENT_OPEN

    def move(self, to: DeploymentStatus, **fields: Any) -> bool:
        """
        Compare-and-set from the status and the turn this object was read with; False when
        somebody was faster or the move is not in the table. `fields` are written with it.
        """
        if to not in DEPLOYMENT_TRANSITIONS[DeploymentStatus(self.status)]:
            return False
        rows = Deployment.objects.filter(pk=self.pk, status=self.status, turn_at=self.turn_at)
        moved = rows.update(status=to, **fields)
        if moved:
            self.status = to
            for name, value in fields.items():
                setattr(self, name, value)
        return bool(moved)
