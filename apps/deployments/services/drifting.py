"""Drift: looking whether the real things are still as declared, accepting it, correcting it."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import Actor, check
from apps.deployments.choices import RUN_TERMINAL, Kind, Operation
from apps.deployments.hints import hint
from apps.deployments.models import Deployment, Run
from apps.deployments.runner.announcing import announce_run
from apps.deployments.services.requesting import request_deployment
from apps.environments.lookup import find_environment


def request_drift(actor: Actor, *, environment: str) -> Run:
    """
    A drift run: it reads, takes no claim and blocks nobody. One that is under way already is
    answered instead of a second one.
    """
    place = find_environment(actor, environment)
    check(actor, "check", environment)
    with transaction.atomic():
        rows = Run.objects.filter(stack=place.stack, operation=Operation.DRIFT)
        run = rows.exclude(status__in=RUN_TERMINAL).first()
        if run is not None:
            return run
        run = Run.objects.create(
            stack=place.stack, operation=Operation.DRIFT, requested_by=actor.name
        )
        record(actor, "deployments.drift.requested", run, environment=environment)
        announce_run(run)
        hint(run)
    return run


def accept_drift(actor: Actor, *, environment: str, reason: str = "") -> Deployment:
    """
    The real things are right: a deployment of kind `refresh` that writes them into the state. It
    is planned, approved and recorded like any other. Raises as `request_deployment`, which checks
    the right.
    """
    find_environment(actor, environment)
    check(actor, "deploy", environment)
    row = request_deployment(
        actor, environment=environment, kind=Kind.REFRESH, reason=reason or "accept drift"
    )
    record(actor, "deployments.drift.accepted", row, environment=environment)
    return row


def correct_drift(actor: Actor, *, environment: str, reason: str = "") -> Deployment:
    """
    The declaration is right: a deployment that brings the real things back to it. Planned,
    approved and recorded like any other. Raises as `request_deployment`.
    """
    find_environment(actor, environment)
    check(actor, "deploy", environment)
    row = request_deployment(actor, environment=environment, reason=reason or "correct drift")
    record(actor, "deployments.drift.corrected", row, environment=environment)
    return row
