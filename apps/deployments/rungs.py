"""The verbs of a recovery by the name of their step, for every door."""

from __future__ import annotations

from collections.abc import Callable

from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.models import Deployment

RUNGS: dict[str, Callable[..., Deployment]] = {
    "prove-death": services.prove_death,
    "look-at-state": services.look_at_state,
    "remove-lock": services.remove_lock,
    "read-back": services.read_back,
    "clear-pending-creates": services.clear_pending_creates,
    "plan": services.plan_after_recovery,
}


def take_step(actor: Actor, *, deployment: int, step: str) -> Deployment:
    """Calls the step's verb. Raises NotFound (`recovery.step`), and what the verb raises."""
    verb = RUNGS.get(step)
    if verb is None:
        raise NotFound(
            "recovery.step",
            f"A recovery has no step {step}.",
            next_step=f"The steps are {', '.join(RUNGS)}.",
        )
    return verb(actor, deployment=deployment)
