"""Kept copies of the state: reading one, and writing one back."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import NotFound
from apps.core.permissions import Actor, check
from apps.deployments import states
from apps.deployments.choices import Kind
from apps.deployments.keeping import revision_to_deploy
from apps.deployments.models import Deployment, StateCopy
from apps.deployments.reasons import check_reason
from apps.deployments.services.requesting import open_deployment
from apps.environments.lookup import find_environment
from apps.environments.models import Environment


def restore_state(
    actor: Actor, *, environment: str, state: int, reason: str = "", supersede: bool = False
) -> Deployment:
    """
    Plans a deployment of kind `import` that writes this copy over the stack's state. Its plan tells
    what the state would say otherwise; real things are not touched. Approved like any other, and
    always with the typed name. Raises NotFound (`state.unknown`), and as `request_deployment`.
    """
    place = find_environment(actor, environment)
    check(actor, "recover", environment)
    check_reason(reason)
    copy = _find_copy(place, state)
    with transaction.atomic():
        row = open_deployment(
            actor,
            place=place,
            supersede=supersede,
            fields={
                "kind": Kind.IMPORT,
                "reason": reason.strip() or f"back to the state after run {copy.run_id}",
                "revision": revision_to_deploy(place, Kind.IMPORT),
                "state_copy": copy,
            },
        )
        record(
            actor,
            "deployments.restore.requested",
            row,
            environment=environment,
            state=copy.pk,
            run=copy.run_id,
            digest=copy.digest,
        )
    return row


def read_state(actor: Actor, *, environment: str, state: int) -> dict[str, Any]:
    """
    A kept copy as the engine's export has it, every secret masked: for reading, not for writing
    back. Recorded. Raises NotFound (`state.unknown`), Forbidden.
    """
    place = find_environment(actor, environment)
    check(actor, "recover", environment)
    copy = _find_copy(place, state)
    with transaction.atomic():
        record(actor, "deployments.state.read", copy, environment=environment, run=copy.run_id)
    return states.readable_state(copy)


def _find_copy(place: Environment, state: int) -> StateCopy:
    copy: StateCopy | None = states.copies(place).filter(pk=state).first()
    if copy is None:
        raise NotFound(
            "state.unknown",
            f"{place.slug} has no copy {state} of its state.",
            next_step="Choose one from the list of copies.",
        )
    return copy
