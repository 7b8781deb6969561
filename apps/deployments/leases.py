"""
Our claim on a stack, in database time: one conditional UPDATE each, no clock of a host is asked.

A mutating run holds the stack's `Lease` row; every run has its own heartbeat. `fence` only grows:
whoever holds an older number has lost the claim and changes nothing any more.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.deployments.choices import RUN_ACTIVE, RunStatus
from apps.deployments.models import Lease, Run

# The fence of a run that only reads: it holds no claim that anybody could take over.
READING = 0


def lease_length() -> timedelta:
    return timedelta(seconds=settings.RUN_LEASE_SECONDS)


def take_fence(run: Run) -> int | None:
    """
    The next fencing number for this run, None when another run holds the stack's claim. Called
    inside the transaction that claims the run.
    """
    if not run.mutating:
        return READING
    Lease.objects.get_or_create(stack_id=run.stack_id)
    rows = Lease.objects.select_for_update().filter(stack_id=run.stack_id)
    lease = rows.get()
    if lease.run is not None and not lease.run.is_terminal:
        return None
    rows.update(fence=F("fence") + 1, run=run, expires_at=Now() + lease_length())
    return lease.fence + 1


def renew(run: Run) -> bool:
    """Another lease length from now; False when the claim is lost and nothing may be written."""
    with transaction.atomic():
        alive = living(run).update(heartbeat_at=Now())
        if alive and run.mutating:
            Lease.objects.filter(stack_id=run.stack_id, run=run).update(
                expires_at=Now() + lease_length()
            )
    return bool(alive)


def release(run: Run) -> None:
    """Gives the stack back, in the transaction that ends the run."""
    Lease.objects.filter(stack_id=run.stack_id, run=run).update(run=None, expires_at=None)


def living(run: Run) -> models.QuerySet[Run]:
    """The run's row as long as it carries this fence and is not over."""
    return Run.objects.filter(pk=run.pk, fence=run.fence, status__in=RUN_ACTIVE)


def expired() -> models.QuerySet[Run]:
    """Runs with a process, or about to have one, that have not been heard of for a lease length."""
    limit = Now() - lease_length()
    unheard = Q(heartbeat_at__lt=limit) | Q(heartbeat_at__isnull=True, claimed_at__lt=limit)
    return Run.objects.filter(unheard, status__in=[s.value for s in sorted(RUN_ACTIVE)])


def queued() -> models.QuerySet[Run]:
    """Runs that wait for a claim, oldest first."""
    return Run.objects.filter(status=RunStatus.QUEUED).order_by("pk")
