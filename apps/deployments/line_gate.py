"""Whose turn it is: what stands ahead in the environment's line."""

from __future__ import annotations

from apps.deployments.blocking import Blocker
from apps.deployments.models import Deployment
from apps.deployments.runner import line


def line_blockers(deployment: Deployment) -> list[Blocker]:
    """The one with the turn, and the place in the line behind it."""
    ahead = line.ahead_of(deployment)
    if not ahead:
        return []
    first = ahead[0]
    return [
        Blocker(
            "stack.busy",
            f"{deployment.environment.slug} is busy: deployment {first.pk}"
            f" ({line.described(first)}) by {first.requested_by} since"
            f" {first.turn_at or first.requested_at:%Y-%m-%d %H:%M} UTC."
            f" Deployment {deployment.pk} is {line.place_in_words(len(ahead) + 1)} in line.",
            waits=True,
            lasting=True,
            by=first.requested_by,
            since=first.turn_at or first.requested_at,
        )
    ]
