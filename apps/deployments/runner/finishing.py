"""The last transaction of a run: status, facts, state, claim, deployment, record and message."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments import leases
from apps.deployments.choices import RUN_ACTIVE, Operation, RunStatus
from apps.deployments.models import EnginePlan, Run
from apps.deployments.runner import progress, verification
from apps.deployments.runner.announcing import announce_run
from apps.deployments.runner.outcome import Outcome
from apps.deployments.signals import run_finished
from apps.deployments.states import keep_state

log = structlog.get_logger(__name__)


def finish(run: Run, outcome: Outcome, *, engine_plan: dict[str, Any] | None = None) -> bool:
    """
    Ends the run once. False when it was ended by somebody else meanwhile (the sweeper, a cancel):
    then nothing is written.
    """
    with transaction.atomic():
        rows = Run.objects.filter(pk=run.pk, status__in=RUN_ACTIVE)
        if run.fence is not None:
            rows = rows.filter(fence=run.fence)
        if not rows.update(status=outcome.status, finished_at=Now(), **_facts(outcome)):
            return False
        run.refresh_from_db()
        if run.operation == Operation.DRIFT and outcome.plan is not None:
            run.drift = dict(outcome.plan)
            run.save(update_fields=["drift"])
        _keep_state(run, outcome)
        if engine_plan:
            EnginePlan.objects.create(run=run, document=engine_plan)
        leases.release(run)
        record(
            system(f"run {run.pk}"),
            f"deployments.run.{outcome.status}",
            run,
            environment=run.stack.environment.slug,
            code=outcome.code,
            reason=outcome.reason,
        )
        announce_run(run)
        progress.advance(run, outcome)
        transaction.on_commit(lambda: _tell(run))
    log.info("run.finished", run=run.pk, status=str(outcome.status), code=outcome.code)
    return True


def _tell(run: Run) -> None:
    for receiver, answer in run_finished.send_robust(sender=Run, run=run):
        if isinstance(answer, Exception):
            log.error(
                "run_finished.receiver_failed", run=run.pk, receiver=str(receiver), error=answer
            )
    verification.hasten(run)


def _facts(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "exit_code": result.get("exit_code"),
        "exit_message_id": outcome.code[:60],
        "exit_reason": outcome.reason,
        "exit_next_step": outcome.next_step,
        "changes": result.get("changes") or {},
        "outputs": result.get("outputs") or {},
        "pending_operations": result.get("pending_operations") or [],
        "state_digest_before": result.get("state_digest_before") or "",
        "state_digest_after": result.get("state_digest_after") or "",
        "plan_digest": result.get("plan_digest") or "",
    }


def _keep_state(run: Run, outcome: Outcome) -> None:
    salt = outcome.result.get("encryption_salt")
    stack = run.stack
    if salt and salt != stack.encryption_salt:
        type(stack).objects.filter(pk=stack.pk).update(encryption_salt=salt)
    state = outcome.result.get("state")
    # The plan of a restore has only looked.
    if not isinstance(state, dict) or run.operation == Operation.PREVIEW:
        return
    keep_state(run, state, str(outcome.result.get("state_digest_after") or ""))


def never_started(run: Run, reason: str = "The run got no process: its worker ended.") -> bool:
    """A run without a process: nothing was begun, so nothing is lost."""
    return finish(
        run,
        Outcome(
            RunStatus.ERRORED if run.cancel_requested_at is None else RunStatus.CANCELED,
            "run.not_started",
            reason,
            "Nothing was changed. Plan again; read worker.log when it happens again.",
        ),
    )
