"""What is kept of a revision that was applied, so that a rollback brings back exactly that."""

from __future__ import annotations

from django.db import models

from apps.core.permissions import Actor
from apps.deployments.models.deployment import Deployment
from apps.environments.models import Environment


class KeptRevision(models.Model):
    """
    The program by its digest (its files lie under ORCHESTRA_HOME), and the configuration as it was
    then: settings as declared, secrets with value and version, sealed for this very row.
    """

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="kept")
    program_kind = models.CharField(max_length=10)
    program_digest = models.CharField(max_length=64)
    config_digest = models.CharField(max_length=64)
    sealed = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"revision of deployment {self.deployment_id}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def visible_to(self, actor: Actor) -> HoldQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)

    def standing(self) -> HoldQuerySet:
        return self.filter(lifted_at__isnull=True)


class Hold(models.Model):
    """
    A revision that was rolled back from. Until a person lifts it no automation changes the
    environment, and nobody deploys this very revision there.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="holds")
    # The deployment that brought the revision in.
    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="holds")
    program_digest = models.CharField(max_length=64, blank=True)
    config_digest = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=300)
    set_at = models.DateTimeField(auto_now_add=True)
    set_by = models.CharField(max_length=150)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    lift_reason = models.CharField(max_length=300, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "program_digest", "config_digest"],
                name="one_hold_per_revision",
                condition=models.Q(lifted_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"hold on the revision of deployment {self.deployment_id}"

    @property
    def stands(self) -> bool:
        return self.lifted_at is None
