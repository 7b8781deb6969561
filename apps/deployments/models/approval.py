"""One person's decision on one plan."""

from __future__ import annotations

from django.db import models

from apps.deployments.choices import Decision
from apps.deployments.models.deployment import Deployment


class Approval(models.Model):
    """Bound to the fingerprint it was given for: a new plan voids it."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="approvals")
    fingerprint = models.CharField(max_length=64)
    decision = models.CharField(max_length=8, choices=Decision.choices)
    by = models.CharField(max_length=150)
    by_id = models.BigIntegerField(null=True)
    comment = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    break_glass = models.BooleanField(default=False)
    # Of a broken glass: when the admins are told next, and when they were.
    alarm_due_at = models.DateTimeField(null=True, blank=True)
    alarmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "fingerprint", "by_id"],
                name="one_decision_per_person_and_plan",
                condition=models.Q(voided_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.by}"
