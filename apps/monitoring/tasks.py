"""Celery entries of monitoring. No check is ever a task of its own."""

from typing import Any

from celery import shared_task
from celery.signals import worker_process_shutdown, worker_ready, worker_shutdown

from apps.monitoring.runner import (
    deliver_due,
    finish_looks,
    note_tick,
    prune_results,
    roll_up,
    run_round,
    tend_incidents,
)


@shared_task
def probe(window: float = 5.0) -> None:
    """Begins one round; a beat tick, or a hint that somebody asked for a look."""
    try:
        if window:
            note_tick()
    finally:  # a round waits for a database that is away, and goes on as soon as it is back
        run_round(window)


@shared_task
def prune() -> None:
    """Whole hours are counted, then raw results go after seven days, hours after 13 months."""
    roll_up()
    prune_results()


@shared_task
def deliver() -> None:
    """Incidents as the checks are, then the outbox: a tick, or a hint that something waits."""
    tend_incidents()
    deliver_due()


@worker_ready.connect
def begin(**_: Any) -> None:
    """A worker that takes another one's place looks at once, not with the next tick."""
    run_round()


@worker_shutdown.connect  # a worker of threads
@worker_process_shutdown.connect  # each process of one that forks
def finish(**_: Any) -> None:
    """Looks under way end as they should: a session that nobody ends costs its server."""
    finish_looks()
