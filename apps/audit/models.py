"""Append-only record of who did what. Rows copy the names of what they name."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.permissions import Actor, may


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, actor: Actor) -> AuditQuerySet:
        """Rows of environments where the actor may read the audit; or all."""
        if may(actor, "view_audit"):
            return self
        places = {place for _, place in actor.grants if may(actor, "view_audit", place)}
        return self.filter(environment__in=places)

    def delete(self) -> Any:
        raise TypeError("Audit rows are never deleted.")

    def update(self, **_: Any) -> int:
        raise TypeError("Audit rows are never changed.")


class AuditEvent(models.Model):
    """One thing somebody did, or was refused. `event` is `<app>.<noun>.<past tense>`."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    event = models.CharField(max_length=80, db_index=True)
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=150)
    environment = models.CharField(max_length=50, blank=True, db_index=True)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "-id"], name="audit_by_type"),
            models.Index(fields=["object_id", "-id"], name="audit_by_object"),
            models.Index(fields=["request_id", "-id"], name="audit_by_request"),
            models.Index(fields=["actor_name", "-id"], name="audit_by_actor"),
            models.Index(fields=["actor_kind", "-id"], name="audit_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.actor_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Audit rows are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Audit rows are never deleted.")
