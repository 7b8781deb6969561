"""Celery entries. Each is a hint: lost, repeated or late, it changes nothing that is wrong."""

from __future__ import annotations

from celery import shared_task

from apps.deployments import alarms
from apps.deployments.runner import claim, drift_watch, shelves, sweep


@shared_task
def start_run(run_id: int) -> None:
    """A run is queued. No long work lives here: the run gets a process of its own."""
    claim.start(run_id)


@shared_task
def sweep_runs() -> None:
    """Every five seconds: what lost hints and dead processes left undone."""
    sweep.sweep(leisurely=False)


@shared_task
def sweep_clock() -> None:
    """Every fifteen seconds: what only the time of day decides."""
    sweep.sweep(urgent=False)


@shared_task
def look_for_drift() -> None:
    """Every minute: whose turn it is to look whether the real things are still as declared."""
    drift_watch.look_for_drift()


@shared_task
def prune_programs() -> None:
    """Every hour: kept programs that nobody can come back to."""
    shelves.prune_programs()


@shared_task
def send_alarms() -> None:
    """Every five seconds: who broke the glass, to every admin."""
    alarms.send_due()
