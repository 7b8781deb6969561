"""
Looks for drift by the clock, and what follows from one where the environment's switch says so.

A look only reads: it takes no lease, and is left out while a change waits or runs. Environments
look at moments of their own, spread by a hash, so that one tick does not wake all of them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments.choices import (
    DEPLOYMENT_UNDER_WAY,
    RUN_TERMINAL,
    DriftStatus,
    Operation,
    RunStatus,
)
from apps.deployments.drift import drift_of
from apps.deployments.models import Deployment, Run
from apps.deployments.runner.announcing import announce_run
from apps.deployments.signals import drift_due
from apps.environments.models import Environment, Stack

SCHEDULE = system("schedule")
CORRECTOR = system("drift correction")
CORRECTION = "correction"
# What drifts again so soon after its correction is a matter for people.
AGAIN = timedelta(hours=24)


def look_for_drift() -> int:
    """A drift run for every environment whose moment has come; how many."""
    stacks = Stack.objects.select_related("environment__protection")
    return sum(map(_look, stacks.filter(environment__protection__drift_minutes__gt=0)))


def slot(moment: datetime, minutes: int, name: str) -> int:
    """
    Which interval of the environment's own clock a moment lies in: the beginnings are shifted by a
    hash of its name.
    """
    length = minutes * 60
    shift = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % length
    return int(moment.timestamp() - shift) // length


def _look(stack: Stack) -> bool:
    runs = Run.objects.filter(stack=stack)
    last = runs.filter(mutating=True, status=RunStatus.SUCCEEDED).order_by("-pk").first()
    if last is None or last.operation == Operation.DESTROY:
        return False
    slug, minutes = stack.environment.slug, stack.environment.protection.drift_minutes
    looked = runs.filter(operation=Operation.DRIFT).order_by("-pk").first()
    now = timezone.now()
    if looked and slot(looked.requested_at, minutes, slug) == slot(now, minutes, slug):
        return False
    with transaction.atomic():
        # Two ticks take turns here, and so do a look and a request.
        Stack.objects.select_for_update().get(pk=stack.pk)
        waiting = Q(mutating=True) | Q(operation=Operation.DRIFT)
        if runs.filter(waiting).exclude(status__in=RUN_TERMINAL).exists():
            return False
        run = Run.objects.create(stack=stack, operation=Operation.DRIFT, requested_by=SCHEDULE.name)
        record(SCHEDULE, "deployments.drift.requested", run, environment=slug)
        announce_run(run)
    return True


def tell_drifted() -> int:
    """
    Drift of environments that correct it by themselves: each look is judged once. Nothing is begun
    while a deployment is under way: the next look finds what is left.
    """
    rows = Environment.objects.filter(protection__drift_correction=True)
    return sum(map(_judge, rows.select_related("stack")))


def _judge(place: Environment) -> bool:
    found = drift_of(place)
    look = found.looked
    if look is None or found.status != DriftStatus.DRIFTED or CORRECTION in look.parameters:
        return False
    if Deployment.objects.filter(environment=place, status__in=DEPLOYMENT_UNDER_WAY).exists():
        return False
    urns = sorted({str(change["urn"]) for change in found.changes})
    again = _corrected_before(place, set(urns))
    verdict = {"urns": urns, "held_back": again}
    with transaction.atomic():
        mine = Run.objects.filter(pk=look.pk, parameters=look.parameters)
        if not mine.update(parameters={**look.parameters, CORRECTION: verdict}):
            return False
        if again:
            record(
                CORRECTOR,
                "deployments.drift.not_corrected",
                look,
                environment=place.slug,
                reason="It drifted again within a day of its correction; a person decides.",
                urns=again,
            )
    if not again:
        drift_due.send(sender=Run, run=look, environment=place)
    return True


def _corrected_before(place: Environment, urns: set[str]) -> list[str]:
    """Those of them that were corrected within a day already: no loop is begun."""
    since = timezone.now() - AGAIN
    looks = Run.objects.filter(
        stack=place.stack, operation=Operation.DRIFT, finished_at__gt=since
    ).filter(parameters__has_key=CORRECTION)
    before: set[str] = set()
    for look in looks:
        verdict = look.parameters[CORRECTION]
        if not verdict["held_back"]:
            before.update(verdict["urns"])
    return sorted(before & urns)
