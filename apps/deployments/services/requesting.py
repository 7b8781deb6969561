"""Asking for a deployment, and for a new plan of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, Refused
from apps.core.permissions import Actor, check
from apps.deployments import too_late
from apps.deployments.choices import (
    Kind,
)
from apps.deployments.engine import engine_roots, likely_engine
from apps.deployments.hints import hint
from apps.deployments.holding import refuse_automation
from apps.deployments.keeping import revision_now, revision_to_deploy
from apps.deployments.lookup import find_deployment
from apps.deployments.models import Deployment, Run
from apps.deployments.reasons import check_reason
from apps.deployments.revision_gates import blockers_when_asked
from apps.deployments.runner import line, progress
from apps.deployments.runner.announcing import announce_deployment, announce_run
from apps.deployments.services.overtaking import overtake
from apps.deployments.services.superseding import SUPERSEDABLE, take_place
from apps.environments.lookup import find_environment
from apps.environments.models import Environment

REQUESTABLE = (Kind.DEPLOY, Kind.DESTROY, Kind.REFRESH)


def request_deployment(
    actor: Actor,
    *,
    environment: str,
    kind: str = Kind.DEPLOY,
    reason: str = "",
    targets: Sequence[str] = (),
    supersede: bool = False,
) -> Deployment:
    """
    Starts planning; behind another deployment it stands in line after that. With `supersede` those
    before it that only wait are canceled and name this one. Raises NotFound
    (`environment.unknown`), Forbidden, Invalid, Refused (`deployment.blocked`,
    `engine.not_for_production`).
    """
    place = find_environment(actor, environment)
    _check_input(kind, reason)
    check(actor, "destroy" if kind == Kind.DESTROY else "deploy", place.slug)
    fields = {
        "kind": Kind(kind),
        "reason": reason.strip(),
        "targets": list(targets),
        "revision": revision_to_deploy(place, kind),
    }
    return open_deployment(actor, place=place, fields=fields, supersede=supersede)


def open_deployment(
    actor: Actor, *, place: Environment, fields: Mapping[str, Any], supersede: bool
) -> Deployment:
    """
    What every way of asking comes to: place in line, row, preview. `fields` are the deployment's.
    Raises Refused as `request_deployment`, and what the rules of the environment have against the
    revision already (`deployment.blocked`).
    """
    check(actor, "destroy" if fields["kind"] == Kind.DESTROY else "deploy", place.slug)
    _check_engine(place)
    _check_rules(place, fields)
    refuse_automation(place, fields["kind"], automated=actor.kind != "user")
    with transaction.atomic():
        is_first = line.enter(place)
        row = _create(actor, place, {**fields, "turn_at": timezone.now() if is_first else None})
        if supersede:
            _supersede_waiting(actor, row)
        if not is_first and row.kind == Kind.ROLLBACK:
            overtake(actor, rollback=row)
        run = progress.queue_preview(row, requested_by=actor.name)
        record(
            actor,
            "deployments.deployment.requested",
            row,
            environment=place.slug,
            kind=str(row.kind),
            reason=row.reason,
            run=run.pk,
        )
        announce_deployment(row)
        announce_run(run)
        hint(run)
    return row


def replan_deployment(actor: Actor, *, deployment: int) -> Deployment:
    """
    A new plan of the same request; every approval of the old one is void. Raises Refused
    (`deployment.not_replannable`, `deployment.needs_recovery`, `deployment.under_way`).
    """
    row = find_deployment(actor, deployment)
    check(actor, "destroy" if row.kind == Kind.DESTROY else "deploy", row.environment.slug)
    _check_engine(row.environment)
    if refusal := too_late.to_plan_again(row):
        raise refusal
    with transaction.atomic():
        run = _plan_again(actor, row)
        record(
            actor,
            "deployments.deployment.replanned",
            row,
            environment=row.environment.slug,
            run=run.pk,
        )
        announce_run(run)
        hint(run)
    return row


def _supersede_waiting(actor: Actor, row: Deployment) -> None:
    """Everything that was asked for before, and only waits."""
    for older in line.under_way(row.environment_id).filter(pk__lt=row.pk):
        if older.status in SUPERSEDABLE:
            take_place(actor, older=older, successor=row)


def _check_input(kind: str, reason: str) -> None:
    if kind not in REQUESTABLE:
        raise Invalid(
            "deployment.kind",
            f"{kind!r} is no kind of deployment that can be asked for here.",
            next_step=f"Choose {' or '.join(REQUESTABLE)}.",
            errors={"kind": f"One of {', '.join(REQUESTABLE)}."},
        )
    check_reason(reason)


def _check_rules(place: Environment, fields: Mapping[str, Any]) -> None:
    closed = blockers_when_asked(place, fields["kind"], fields["revision"])
    if closed:
        raise Refused(
            "deployment.blocked",
            " ".join(blocker.detail for blocker in closed),
            next_step="Nothing was planned.",
            blocked_by=[blocker.as_dict() for blocker in closed],
        )


def _check_engine(environment: Environment) -> None:
    roots = engine_roots(Path(settings.ORCHESTRA_HOME), settings.PULUMI_ROOT)
    refuses = environment.is_production and not settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION
    if refuses and likely_engine(roots) == "embedded":
        raise Refused(
            "engine.not_for_production",
            f"{environment.slug} is of tier production, and only the embedded engine is here.",
            next_step="Install the Pulumi CLI, or set PORTAL_ALLOW_EMBEDDED_ENGINE=true.",
        )


def _create(actor: Actor, environment: Environment, fields: Mapping[str, Any]) -> Deployment:
    return Deployment.objects.create(
        environment=environment,
        requested_by=actor.name,
        requested_by_id=actor.user_id,
        automated=actor.kind != "user",
        **fields,
    )


def _plan_again(actor: Actor, row: Deployment) -> Run:
    fields = {"revision": revision_now(row), "turn_at": row.turn_at}
    is_free = line.enter(row.environment)
    if not row.is_open:
        if not is_free:
            raise _refusal_under_way(line.under_way(row.environment_id)[0])
        fields["turn_at"] = timezone.now()
    run = progress.plan_again(row, requested_by=actor.name, **fields)
    if run is None:
        raise Refused(
            "deployment.moved",
            f"Deployment {row.pk} has moved on meanwhile.",
            next_step="Look at it again.",
        )
    return run


def _refusal_under_way(older: Deployment) -> Refused:
    """What is in the way, since when, and what to do about it."""
    detail = (
        f"Deployment {older.pk} of {older.environment.slug} is under way:"
        f" {older.get_status_display().lower()}, requested by {older.requested_by}"
        f" at {older.requested_at:%H:%M} UTC."
    )
    return Refused(
        "deployment.under_way",
        detail,
        next_step="Request a new deployment: it waits in line.",
        blocked_by=[
            {
                "code": "deployment.under_way",
                "detail": detail,
                "deployment": older.pk,
                "status": older.status,
            }
        ],
    )
