"""The line on the page of a deployment: who has the turn, who waits, who took a place."""

from __future__ import annotations

from typing import Any

from apps.core.confirming import Confirmation
from apps.core.permissions import Actor, may
from apps.deployments.models import Deployment
from apps.deployments.runner import line
from apps.deployments.services.superseding import SUPERSEDABLE


def context(actor: Actor, row: Deployment) -> dict[str, Any]:
    """`line` holds everybody in it, in order, when there is more than one."""
    found = (
        list(line.under_way(row.environment_id).select_related("rolls_back")) if row.is_open else []
    )
    behind = any(other.pk > row.pk for other in found)
    return {
        "line": found if len(found) > 1 and row in found else [],
        "superseded": list(row.supersedes.order_by("pk")),
        "can_supersede": behind
        and row.status in SUPERSEDABLE
        and may(actor, "cancel", row.environment.slug),
    }


def to_supersede(row: Deployment, back: str) -> Confirmation:
    """The page before a deployment loses its place to a later one."""
    behind = [other for other in line.under_way(row.environment_id) if other.pk > row.pk]
    successor = behind[-1] if behind else None
    whom = f"deployment {successor.pk}" if successor else "nobody"
    return Confirmation(
        title=f"Supersede deployment {row.pk}?",
        sentence=f"It is dropped in favour of {whom}, and both pages say so. Nothing in the"
        " environment changes.",
        button=f"Supersede deployment {row.pk}",
        back=back,
        lines=[("", f"{other} by {other.requested_by}: {other.reason}") for other in behind],
        heading="Waiting behind it",
        hidden={"successor": str(successor.pk)} if successor else {},
        danger=True,
    )
