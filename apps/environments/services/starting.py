"""What the start of an installation leaves on record."""

from __future__ import annotations

from apps.audit.models import AuditEvent
from apps.audit.services import record
from apps.core.permissions import Actor, check

STARTED = "environments.installation.started"


def record_start(*, actor: Actor, seconds: float) -> AuditEvent:
    """
    The first start of this installation took so long until it answered. The start itself
    says so, or an admin. Raises Forbidden.
    """
    check(actor, "manage_access")
    return record(actor, STARTED, name="the first start", seconds=round(seconds, 1))
