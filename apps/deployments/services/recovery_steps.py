"""The recovery, one rung after the other: each step is a verb with its record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Invalid, OurFault, Refused
from apps.core.permissions import Actor, check
from apps.deployments import ladder
from apps.deployments.choices import RUN_TERMINAL, DeploymentStatus, Operation
from apps.deployments.hints import hint
from apps.deployments.lookup import find_deployment
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import progress, settling
from apps.deployments.runner.announcing import announce_deployment, announce_run

LONGEST_ID = 500


def prove_death(actor: Actor, *, deployment: int) -> Deployment:
    """Is every process of the lost run gone? Raises Refused (`run.alive`) naming those left."""
    row, run = _begin(actor, deployment)
    _check_dead(run)
    facts = [dataclasses.asdict(found) for found in settling.processes_of(run)]
    with transaction.atomic():
        _record(actor, row, "death_proven", run=run.pk, processes=facts)
    return row


def look_at_state(actor: Actor, *, deployment: int) -> Deployment:
    """What was under way, and who holds the lock; a copy of the state is kept. Changes nothing."""
    row, run = _begin(actor, deployment)
    found, _ = _looked(run, remove_locks=False)
    with transaction.atomic():
        settling.note(run, found, [])
        pending = found.get("pending_operations") or []
        _record(actor, row, "state_read", run=run.pk, pending=pending, locks=found.get("locks"))
    return row


def remove_lock(actor: Actor, *, deployment: int) -> Deployment:
    """
    Removes the lock that the lost run's engine left, and no other's. Raises Refused (`run.alive`,
    `lock.none`, `lock.foreign`).
    """
    row, run = _begin(actor, deployment)
    _check_dead(run)
    found, removed = _looked(run, remove_locks=True)
    with transaction.atomic():
        foreign = settling.note(run, found, removed)
        if removed:
            _record(actor, row, "lock_removed", run=run.pk, locks=removed)
    if not removed:
        raise _no_own_lock(run, foreign)
    return row


def read_back(actor: Actor, *, deployment: int) -> Deployment:
    """A refresh: every resource is asked; the state changes, nothing else. Pending creates stay."""
    return _refresh(actor, deployment, "refresh", clear=False)


def clear_pending_creates(actor: Actor, *, deployment: int) -> Deployment:
    """
    Drops the entries of creates that nobody finished. What such a create left behind is adopted by
    the next update: our resource types find it by its inputs, and refuse what is somebody else's.
    """
    return _refresh(actor, deployment, "pending_creates", clear=True)


def adopt_pending_creates(
    actor: Actor, *, deployment: int, ids: Mapping[str, str], confirm: str
) -> Deployment:
    """
    Records what unfinished creates left behind: URN → the id of the real thing. A refresh reads
    each back and forgets what is not there; the other pending creates are cleared. Needs the typed
    name. Raises Invalid (`adopt.no_id`, `confirm.mismatch`), Refused (`adopt.unknown`), and what
    every step raises.
    """
    row, _run = _begin(actor, deployment)
    given = {urn: identity.strip() for urn, identity in ids.items()}
    _check_ids(row, given)
    slug = row.environment.slug
    if confirm != slug:
        raise Invalid(
            "confirm.mismatch",
            f"You typed “{confirm}”. Type {slug} to adopt. Nothing was changed.",
            errors={"confirm": f"Type {slug}."},
        )
    return _refresh(actor, deployment, "adoption", clear=True, adopt=given)


def _check_ids(row: Deployment, given: Mapping[str, str]) -> None:
    if not given or not all(0 < len(identity) <= LONGEST_ID for identity in given.values()):
        raise Invalid(
            "adopt.no_id",
            f"An adoption names the id of each thing, of at most {LONGEST_ID} characters.",
            next_step="Give an id, or clear the entries instead.",
            errors={"ids": "A URN and the id of the real thing."},
        )
    left = {str(entry.get("urn")) for entry in ladder.pending_creates(row)}
    unknown = [urn.rpartition("::")[2] for urn in given if urn not in left]
    if unknown:
        raise Refused(
            "adopt.unknown",
            f"The state lists no pending create of {', '.join(unknown)}.",
            next_step="Look at the state again.",
        )


def plan_after_recovery(actor: Actor, *, deployment: int) -> Deployment:
    """A new plan, which waits for a decision. Raises Refused (`recovery.not_ready`)."""
    row, _run = _begin(actor, deployment)
    waiting = [step for step in ladder.steps(row) if step.name != "plan" and not step.is_done]
    if waiting:
        raise Refused(
            "recovery.not_ready",
            f"Deployment {row.pk} cannot be planned yet: {waiting[0].title}",
            next_step="Do that step first; a plan from an unknown state would lie.",
        )
    with transaction.atomic():
        made = progress.plan_again(row, requested_by=actor.name)
        if made is None:
            raise Refused(
                "deployment.moved",
                f"Deployment {row.pk} has moved on meanwhile.",
                next_step="Look at it again.",
            )
        _record(actor, row, "planned", run=made.pk)
        announce_run(made)
        hint(made)
    return row


def _begin(actor: Actor, deployment: int) -> tuple[Deployment, Run]:
    """The deployment in need of recovery, and the run that was lost. Raises NotFound, Refused."""
    row = find_deployment(actor, deployment)
    check(actor, "recover", row.environment.slug)
    run = ladder.lost_run(row)
    if row.status != DeploymentStatus.NEEDS_RECOVERY or run is None:
        raise Refused(
            "deployment.nothing_to_recover",
            f"Deployment {row.pk} is {row.get_status_display().lower()}; it needs no recovery.",
            next_step="Look at it again.",
        )
    if row.runs.exclude(status__in=RUN_TERMINAL).exists():
        raise Refused(
            "deployment.recovering",
            f"A step of the recovery of deployment {row.pk} is under way.",
            next_step="Wait for its end.",
        )
    return row, run


def _check_dead(run: Run) -> None:
    alive = settling.living_processes(run)
    if alive:
        names = ", ".join(f"pid {facts.pid} on {facts.host}" for facts in alive)
        raise Refused(
            "run.alive",
            f"Processes of run {run.pk} are not proven dead: {names}.",
            next_step="End them there, then look again.",
        )


def _looked(run: Run, *, remove_locks: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        found, removed = settling.look_at_state(run, remove_locks=remove_locks)
    except settling.CANNOT_LOOK as error:
        raise OurFault(
            "state.unread",
            f"The state could not be read: {error}",
            next_step="Mend what is named, and look again. Nothing was changed.",
        ) from error
    if found.get("outcome") != "succeeded":
        raise Refused(
            str(found.get("code") or "state.unread"),
            str(found.get("reason") or "The state could not be read."),
            next_step=str(found.get("next_step") or ""),
        )
    return found, removed


def _no_own_lock(run: Run, foreign: list[dict[str, Any]]) -> Refused:
    if not foreign:
        return Refused(
            "lock.none",
            f"Run {run.pk} left no lock: the stack is not locked.",
            next_step="Go on with the next step.",
        )
    names = ", ".join(f"{lock.get('username')} on {lock.get('hostname')}" for lock in foreign)
    return Refused(
        "lock.foreign",
        f"The stack is locked, and not by run {run.pk}: {names}. A lock of anybody else is never"
        " removed here.",
        next_step="Ask its owner, or wait until it is gone.",
    )


def _refresh(
    actor: Actor,
    deployment: int,
    step: str,
    *,
    clear: bool,
    adopt: Mapping[str, str] | None = None,
) -> Deployment:
    row, lost = _begin(actor, deployment)
    _check_dead(lost)
    with transaction.atomic():
        Deployment.objects.select_for_update().get(pk=row.pk)
        run = Run.objects.create(
            stack=row.environment.stack,
            deployment=row,
            operation=Operation.REFRESH,
            requested_by=actor.name,
            parameters={
                "clear_pending_creates": clear,
                "step": step,
                **({"adopt": dict(adopt)} if adopt else {}),
            },
        )
        _record(actor, row, f"{step}_asked", run=run.pk, adopt=dict(adopt or {}))
        announce_run(run)
        hint(run)
    return row


def _record(actor: Actor, row: Deployment, what: str, **detail: Any) -> None:
    """The record of a step, and the message that moves the page."""
    slug = row.environment.slug
    record(actor, f"deployments.recovery.{what}", row, environment=slug, **detail)
    announce_deployment(row)
