"""
After a run was lost: is it proven dead, is its lock gone, is anything pending?

With proof of death the dead owner's lock is removed (and no other's), and the state decides. No
pending operation: the deployment has failed and the next one works. Otherwise a person decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from apps.audit.services import record
from apps.core.errors import PortalError
from apps.core.permissions import system
from apps.core.redaction import Redactor
from apps.deployments.choices import DeploymentStatus, RunStatus
from apps.deployments.configuration import every_secret
from apps.deployments.engine import HostGone, call_host
from apps.deployments.models import Deployment, Run
from apps.deployments.processes import ProcessFacts, is_proven_dead
from apps.deployments.runner import progress
from apps.deployments.runner.claim import run_folder
from apps.deployments.runner.plain_logs import redacted_afterwards
from apps.deployments.runner.requests import service_request
from apps.deployments.states import keep_state

log = structlog.get_logger(__name__)
SETTLER = system("sweeper")
SETTLED = "settled"
CANNOT_LOOK = (HostGone, OSError, PortalError)


def unsettled() -> QuerySet[Run]:
    """Runs whose deployment waits for somebody to find out what was done."""
    return (
        Run.objects.filter(
            mutating=True,
            status__in=(RunStatus.LOST, RunStatus.ERRORED),
            deployment__status=DeploymentStatus.NEEDS_RECOVERY,
        )
        .exclude(parameters__has_key=SETTLED)
        .select_related("stack__environment", "deployment__environment")
    )


def processes_of(run: Run) -> list[ProcessFacts]:
    """Run process, host and engine, as far as they are known."""
    pairs = (
        (run.pid, run.start_ticks),
        (run.host_pid, run.host_start_ticks),
        (run.engine_pid, run.engine_start_ticks),
    )
    return [ProcessFacts(run.host, pid, ticks, run.boot_id) for pid, ticks in pairs if pid]


def living_processes(run: Run) -> list[ProcessFacts]:
    """Those that nobody can prove dead."""
    return [facts for facts in processes_of(run) if not is_proven_dead(facts)]


def settle(run: Run) -> bool:
    """
    One try; False while a process may live or the state cannot be read. Writes what was found into
    the run, so that it is done once.
    """
    if living_processes(run):
        return False
    try:
        found, locks = look_at_state(run, remove_locks=True)
    except CANNOT_LOOK as error:
        log.warning("settle.failed", run=run.pk, reason=str(error))
        return False
    with transaction.atomic():
        _write(run, found, locks)
    return True


def look_at_state(run: Run, *, remove_locks: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """
    What the state says now, redacted; with `remove_locks` the dead owner's locks are removed first
    and answered, too. A copy of the state is kept. Raises what CANNOT_LOOK names.
    """
    folder = run_folder(run.pk)
    redactor = Redactor(every_secret(run.stack.environment))
    with redacted_afterwards(folder, redactor):
        found, locks = _read_back(run, folder / "settle", remove_locks=remove_locks)
    state = found.get("state")
    if isinstance(state, dict):
        keep_state(run, state, str(found.get("state_digest_after") or ""))
    return redactor.value({**found, "state": None}), locks


def _read_back(
    run: Run, folder: Path, *, remove_locks: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    _, found = call_host(service_request(run, "inspect", folder))
    locks = [lock for lock in found.get("locks") or [] if is_own_lock(run, lock)]
    if locks and remove_locks:
        _, found = call_host(service_request(run, "unlock", folder, locks=locks))
    return found, locks if remove_locks else []


def is_own_lock(run: Run, lock: dict[str, Any]) -> bool:
    """A lock counts as the dead run's only when it names its engine's pid and host."""
    return lock.get("pid") == run.engine_pid and lock.get("hostname") == run.host


def note(run: Run, found: dict[str, Any], removed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Writes into the run what was found of it; answers the locks of others."""
    locks = found.get("locks") or []
    foreign = [lock for lock in locks if not is_own_lock(run, lock)]
    before = (run.parameters.get(SETTLED) or {}).get("removed", [])
    run.pending_operations = found.get("pending_operations") or []
    run.parameters = {
        **run.parameters,
        SETTLED: {
            "removed": [*before, *removed],
            "foreign": foreign,
            "own": [lock for lock in locks if is_own_lock(run, lock)],
        },
    }
    Run.objects.filter(pk=run.pk).update(
        pending_operations=run.pending_operations,
        state_digest_after=found.get("state_digest_after") or "",
        parameters=run.parameters,
    )
    return foreign


def _write(run: Run, found: dict[str, Any], locks: list[dict[str, Any]]) -> None:
    pending = found.get("pending_operations") or []
    left = note(run, found, locks)
    outcome = found.get("outcome")
    record(
        SETTLER,
        "deployments.run.settled",
        run,
        environment=run.stack.environment.slug,
        locks_removed=locks,
        pending=pending,
    )
    assert run.deployment_id is not None
    deployment = Deployment.objects.select_related("environment").get(pk=run.deployment_id)
    if outcome == "succeeded" and not pending and not left:
        progress.move(
            deployment,
            DeploymentStatus.FAILED,
            status_code=run.exit_message_id,
            status_reason=f"{run.exit_reason} The state was read back: it lists no operation"
            " that nobody finished.",
            status_next_step="Deploy again; the new plan shows what is left to do.",
        )
        return
    names = ", ".join(str(entry.get("urn", "")).rpartition("::")[2] for entry in pending[:3])
    held = f"{len(left)} lock(s) of others" if left else str(found.get("reason") or "")
    Deployment.objects.filter(pk=deployment.pk).update(
        status_code="state.pending_operations" if pending else run.exit_message_id,
        status_reason=f"{run.exit_reason} Nobody finished: {names or held}.",
        status_next_step="Recover the deployment: the state is read back from the real things,"
        " then planned again.",
    )
