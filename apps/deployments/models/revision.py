"""What is known of one revision, wherever it goes: evidence, and whether it is rejected."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.permissions import Actor
from apps.deployments.choices import EvidenceResult
from apps.environments.choices import EvidenceKind


class OfRevisionQuerySet(models.QuerySet[Any]):
    def visible_to(self, actor: Actor) -> OfRevisionQuerySet:
        """A revision belongs to no environment: whoever sees one of those sees it."""
        return self if actor.is_system or actor.grants else self.none()


class Evidence(models.Model):
    """
    One finding about one revision; never changed, only overtaken by a later one of the same
    person. It is about the commit, the program tree, or both: never about a branch.
    """

    kind = models.CharField(max_length=16, choices=EvidenceKind.choices)
    result = models.CharField(max_length=8, choices=EvidenceResult.choices)
    commit = models.CharField(max_length=40, blank=True, db_index=True)
    program_digest = models.CharField(max_length=64, blank=True, db_index=True)
    # Who found it, and who told the portal: a person tells their own, a program tells others'.
    who = models.CharField(max_length=150)
    reported_by = models.CharField(max_length=150)
    reported_by_kind = models.CharField(max_length=8)
    link = models.URLField(max_length=500, blank=True)
    # How long it took to find, such as a run of the tests.
    seconds = models.FloatField(null=True, blank=True)
    comment = models.CharField(max_length=500, blank=True)
    # When it was found; `reported_at` when the portal heard of it.
    at = models.DateTimeField()
    reported_at = models.DateTimeField(auto_now_add=True)

    objects = OfRevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "evidence"
        indexes = [
            models.Index(fields=["kind", "-id"], name="evidence_by_kind"),
            models.Index(fields=["result", "-id"], name="evidence_by_result"),
        ]
        constraints = [
            models.CheckConstraint(
                name="evidence_names_a_revision",
                condition=~models.Q(commit="", program_digest=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.result} by {self.who}"

    @property
    def state(self) -> EvidenceResult:
        """The result with its word and tone."""
        return EvidenceResult(self.result)


class RejectedRevision(models.Model):
    """Nobody deploys or promotes it anywhere until it is lifted; lifted rows stay as history."""

    commit = models.CharField(max_length=40, blank=True, db_index=True)
    program_digest = models.CharField(max_length=64, blank=True, db_index=True)
    reason = models.CharField(max_length=300)
    rejected_by = models.CharField(max_length=150)
    rejected_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    lift_reason = models.CharField(max_length=300, blank=True)

    objects = OfRevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="rejection_names_a_revision",
                condition=~models.Q(commit="", program_digest=""),
            ),
            models.UniqueConstraint(
                fields=["commit", "program_digest"],
                name="revision_rejected_once",
                condition=models.Q(lifted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"rejection of {(self.commit or self.program_digest)[:12]}"

    @property
    def stands(self) -> bool:
        return self.lifted_at is None
