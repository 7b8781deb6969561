"""Asking a run to stop. `canceled` is only said when its process is gone."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.deployments.choices import RunStatus
from apps.deployments.models import Run
from apps.deployments.runner import progress
from apps.deployments.runner.announcing import announce_run
from apps.deployments.runner.outcome import canceled_before_start


def ask_to_stop(run: Run, *, by: str) -> bool:
    """
    In the caller's transaction: a queued run is over at once, one with a process turns
    `canceling`. False when it is over, or was asked already.
    """
    now = timezone.now()
    asked: dict[str, Any] = {"cancel_requested_at": now, "cancel_requested_by": by}
    if run.status != RunStatus.QUEUED:
        moved = run.move(RunStatus.CANCELING, **asked)
        if moved:
            announce_run(run)
        return moved
    outcome = canceled_before_start(run.operation)
    moved = run.move(
        RunStatus.CANCELED,
        finished_at=now,
        exit_message_id=outcome.code,
        exit_reason=outcome.reason,
        exit_next_step=outcome.next_step,
        **asked,
    )
    if moved:
        announce_run(run)
        progress.advance(run, outcome)
    return moved
