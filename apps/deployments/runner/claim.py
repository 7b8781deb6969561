"""Claiming a run and giving it a process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.deployments import approvals, gates, leases
from apps.deployments.choices import DeploymentStatus, RunStatus
from apps.deployments.engine import ROOT
from apps.deployments.models import Run
from apps.deployments.processes import host_name
from apps.deployments.runner import expiring, finishing, progress
from apps.deployments.runner.announcing import announce_run
from apps.deployments.runner.outcome import GATE_CLOSED

log = structlog.get_logger(__name__)


class NotClaimed(Exception):
    """Somebody else was faster, or the stack is busy. Nothing was changed."""


def run_folder(run_id: int) -> Path:
    """The run's own folder under ORCHESTRA_HOME."""
    return Path(settings.ORCHESTRA_HOME) / "runs" / str(run_id)


def start(run_id: int) -> bool:
    """Claims the run and starts its process. False when there was nothing to claim."""
    run = claim(run_id)
    if run is None:
        return False
    try:
        spawn(run)
    except OSError as error:
        log.warning("run.not_spawned", run=run.pk, reason=str(error))
        finishing.never_started(run, f"This machine could start no process: {error.strerror}.")
    return True


def claim(run_id: int) -> Run | None:
    """
    `queued` → `starting`, for exactly one caller however many ask. None when the run is not
    queued, an older one of its stack waits, or the stack has an active mutating run.
    """
    try:
        with transaction.atomic():
            related = ("stack__environment", "deployment__environment__protection")
            run = Run.objects.select_related(*related).get(pk=run_id)
            return None if _is_held_back(run) else _claimed(run)
    except (Run.DoesNotExist, NotClaimed):
        return None
    except IntegrityError:
        # The partial unique index: another mutating run of this stack is active.
        return None


def _claimed(run: Run) -> Run:
    _check_turn(run)
    fence = leases.take_fence(run)
    if fence is None:
        raise NotClaimed
    claimed = Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED).update(
        status=RunStatus.STARTING, fence=fence, host=host_name(), claimed_at=Now()
    )
    if not claimed:
        raise NotClaimed
    run.refresh_from_db(fields=["status", "fence", "host", "claimed_at"])
    announce_run(run)
    return run


def _is_held_back(run: Run) -> bool:
    """
    Whether since the decision a gate has closed that opens by itself, or the decision itself has
    lapsed: then nothing begins, and the deployment waits for it. A run that carries out no plan
    just stays queued.
    """
    if not run.mutating or run.status != RunStatus.QUEUED:
        return False
    deployment = run.deployment
    is_change = deployment is not None and deployment.status == DeploymentStatus.APPLYING
    if deployment is not None and is_change and (lapsed := approvals.lapsed(deployment)):
        if _not_begun(run, lapsed.code, lapsed.detail):
            expiring.send_back(deployment, lapsed)
            announce_run(run)
        return True
    closed = gates.blockers_of_run(run)
    if not closed or not all(blocker.waits for blocker in closed):
        return False
    reason = " ".join(blocker.detail for blocker in closed)
    if deployment is not None and is_change and _not_begun(run, GATE_CLOSED, reason):
        progress.move(
            deployment,
            DeploymentStatus.SCHEDULED,
            started_at=None,
            status_code=closed[0].code,
            status_reason=reason,
            status_next_step="It starts by itself when free.",
        )
        announce_run(run)
    return True


def _not_begun(run: Run, code: str, reason: str) -> bool:
    """Ends a queued run; False when somebody was faster."""
    moved = run.move(
        RunStatus.CANCELED,
        finished_at=Now(),
        exit_message_id=code,
        exit_reason=f"Nothing was begun: {reason}",
    )
    if moved:
        run.refresh_from_db(fields=["finished_at"])
    return moved


def _check_turn(run: Run) -> None:
    """Mutating runs of one stack go in the order in which they were asked for."""
    if run.status != RunStatus.QUEUED:
        raise NotClaimed
    if not run.mutating:
        return
    rows = Run.objects.filter(stack_id=run.stack_id, mutating=True, pk__lt=run.pk)
    if rows.filter(status=RunStatus.QUEUED).exists():
        raise NotClaimed


def spawn(run: Run) -> subprocess.Popen[bytes]:
    """
    `manage.py execute_run` in a session of its own: it outlives web, worker and beat. A process
    that cannot be started leaves the run to the sweeper.
    """
    folder = run_folder(run.pk)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_file = os.open(folder / "run.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "execute_run", str(run.pk)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": settings.RUN_SETTINGS_MODULE},
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(log_file)
    # Somebody must look at its end, or it stays in the process table.
    threading.Thread(target=process.wait, name=f"reap-run-{run.pk}", daemon=True).start()
    log.info("run.spawned", run=run.pk, pid=process.pid)
    return process
