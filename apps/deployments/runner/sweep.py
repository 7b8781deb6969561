"""What lost hints and dead processes left undone. Every step is repeatable and decides once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from apps.core.permissions import system
from apps.deployments import approvals, gates, leases
from apps.deployments.choices import (
    DEPLOYMENT_OPEN,
    DEPLOYMENT_UNDER_WAY,
    RUN_ACTIVE,
    DeploymentStatus,
    RunStatus,
)
from apps.deployments.models import Deployment, Run
from apps.deployments.processes import ProcessFacts, is_proven_dead
from apps.deployments.runner import (
    applying,
    automatic,
    claim,
    drift_watch,
    expiring,
    finishing,
    line,
    settling,
    soak_watch,
    timetable,
    unattended,
    verification,
)
from apps.deployments.runner.outcome import Outcome

log = structlog.get_logger(__name__)
SCHEDULE = system("schedule")
# A hint that was not lost has led to a claim long before.
HINT_AGE = timedelta(seconds=3)
# The statuses of a deployment or a run that a step is about; the others go by the clock.
ABOUT: dict[str, frozenset[str]] = {
    "lost": RUN_ACTIVE,
    "settled": frozenset({DeploymentStatus.NEEDS_RECOVERY}),
    "expired": frozenset({DeploymentStatus.AWAITING_APPROVAL}),
    "asked_again": frozenset({DeploymentStatus.SCHEDULED}),
    "verified": frozenset({DeploymentStatus.VERIFYING}),
    "confirmed": frozenset({DeploymentStatus.AWAITING_APPROVAL}),
    "turns": DEPLOYMENT_UNDER_WAY,
    "unattended": frozenset({DeploymentStatus.AWAITING_APPROVAL}),
    "released": frozenset({DeploymentStatus.SCHEDULED}),
    "started": frozenset({RunStatus.QUEUED}),
}
# What days and hours decide: nobody waits for it by the second, and an idle portal asks less.
LEISURELY = frozenset(
    {"expired", "asked_again", "revoked", "moments", "fired", "warned", "ended", "drifted"}
)


def sweep(*, leisurely: bool = True, urgent: bool = True) -> dict[str, int]:
    """
    One look at everything; how much of each was done. A step that fails costs no other step, and
    one that is about a status is left out while nothing is in it: most looks find nothing.
    """
    steps: dict[str, Callable[[], int]] = {
        "lost": lambda: sum(map(declare_lost, leases.expired().select_related("stack"))),
        "settled": lambda: sum(map(settling.settle, settling.unsettled())),
        "expired": expiring.expire_plans,
        "asked_again": expiring.ask_again,
        "verified": finish_verifications,
        "revoked": soak_watch.watch,
        "rolled_back": automatic.tell_due,
        "confirmed": automatic.confirm_own,
        "turns": line.give_turns,
        "moments": timetable.find_due,
        "fired": timetable.tell_firings,
        "warned": timetable.tell_warnings,
        "ended": timetable.tell_lifetimes,
        "drifted": drift_watch.tell_drifted,
        "unattended": unattended.confirm_unattended,
        "released": start_scheduled,
        "started": start_waiting,
    }
    done: dict[str, int] = {}
    there = statuses_there()
    for name, step in steps.items():
        if not (leisurely if name in LEISURELY else urgent):
            continue
        if name in ABOUT and there.isdisjoint(ABOUT[name]):
            done[name] = 0
            continue
        try:
            done[name] = step()
        except Exception:
            log.exception("sweep.step_failed", step=name)
            continue
        if done[name]:
            # What one step did is for the next ones to go on with.
            there = statuses_there()
    return done


def statuses_there() -> frozenset[str]:
    """The statuses in which some deployment is open, and in which some run is not over."""
    open_ones = Deployment.objects.filter(status__in=[s.value for s in sorted(DEPLOYMENT_OPEN)])
    unfinished = [s.value for s in sorted(RUN_ACTIVE | {RunStatus.QUEUED})]
    runs = Run.objects.filter(status__in=unfinished)
    return frozenset(
        status
        for rows in (open_ones, runs)
        for status in rows.values_list("status", flat=True).distinct()
    )


def finish_verifications() -> int:
    """Deployments whose checks have all reported, or whose time is over."""
    rows = Deployment.objects.filter(status=DeploymentStatus.VERIFYING)
    return sum(map(verification.verify, rows.select_related("environment")))


def start_scheduled() -> int:
    """Approved plans whose blockers are gone start by themselves."""
    rows = Deployment.objects.filter(status=DeploymentStatus.SCHEDULED)
    count = 0
    for deployment in rows.select_related("environment__protection", "environment__stack"):
        if not approvals.is_given(deployment) or gates.blockers(deployment):
            continue
        with transaction.atomic():
            run = applying.begin(deployment, requested_by=deployment.requested_by)
        if run is not None:
            count += claim.start(run.pk)
    return count


def start_waiting() -> int:
    """Queued runs whose hint was lost, or whose stack has become free."""
    waiting = leases.queued().filter(requested_at__lt=timezone.now() - HINT_AGE)
    return sum(claim.start(pk) for pk in waiting.values_list("pk", flat=True)[:20])


def declare_lost(run: Run) -> bool:
    """
    A run whose claim has expired. Without a process nothing was begun; with one, nobody knows:
    `lost`, and the settling finds out.
    """
    if run.pid is None:
        return finishing.never_started(run)
    facts = facts_of_run(run)
    dead = is_proven_dead(facts)
    words = "is gone" if dead else "has not been heard of"
    found = Outcome(
        RunStatus.LOST,
        "run.lost",
        f"The process of this {run.operation} (pid {run.pid} on {run.host}) {words};"
        " its claim has expired.",
        "The portal looks at the state next; open the recovery when it asks for a decision."
        if run.mutating
        else "Nothing was changed. Plan again.",
    )
    with transaction.atomic():
        # Once more in the same transaction: a heartbeat may have come in.
        if not leases.expired().filter(pk=run.pk, fence=run.fence).exists():
            return False
        return finishing.finish(run, found)


def facts_of_run(run: Run) -> ProcessFacts:
    assert run.pid is not None
    return ProcessFacts(run.host, run.pid, run.start_ticks, run.boot_id)
