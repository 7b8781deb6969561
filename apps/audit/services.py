"""The only writer of the audit record."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.audit.models import AuditEvent
from apps.core.middleware import request_id
from apps.core.permissions import Actor


def record(
    actor: Actor,
    event: str,
    target: models.Model | None = None,
    *,
    environment: str = "",
    name: str = "",
    **detail: Any,
) -> AuditEvent:
    """
    Writes one row, inside the caller's transaction: what was done and its record stand or fall
    together. `detail` must be JSON and hold no secret.
    """
    return AuditEvent.objects.create(
        event=event,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:150],
        environment=environment,
        object_type=target._meta.label_lower if target is not None else "",  # noqa: SLF001 - Django's public model API
        object_id=str(target.pk) if target is not None else "",
        object_name=(name or (str(target) if target is not None else ""))[:200],
        detail=detail,
        request_id=request_id.get(),
    )
