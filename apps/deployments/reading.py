"""What pages and the API show of a deployment, read in one place. Changes nothing."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from apps.accounts.actors import actor_for_user
from apps.accounts.models import RoleBinding
from apps.core.permissions import EVERYWHERE, Actor, may
from apps.deployments import approvals, gates
from apps.deployments.blocking import Blocker
from apps.deployments.choices import DeploymentStatus, Operation, RunStatus
from apps.deployments.fingerprint import LABELS, short
from apps.deployments.models import Deployment, Run, RunEvent
from apps.deployments.runner import expiring, settling, verification

# States in which gates still matter.
GATED = (DeploymentStatus.AWAITING_APPROVAL, DeploymentStatus.SCHEDULED)


@dataclasses.dataclass(frozen=True)
class Part:
    """One line of the fingerprint card."""

    name: str
    label: str
    value: str
    whole: Any


@dataclasses.dataclass(frozen=True)
class Approver:
    """One person and whether their approval would count."""

    name: str
    fit: bool
    why: str


@dataclasses.dataclass(frozen=True)
class CheckFound:
    """One check of a verification; `found` is empty until it has looked since the update."""

    id: int
    name: str
    found: str
    reason: str
    at: datetime | None


def fingerprint_card(deployment: Deployment) -> list[Part]:
    """Each part of the fingerprint by name; empty before the plan."""
    parts = deployment.fingerprint_parts
    return [
        Part(name, label, short(parts[name]), parts[name])
        for name, label in LABELS.items()
        if name in parts
    ]


def people(deployment: Deployment) -> list[Approver]:
    """Everybody with the right to approve here, and why some may not. One query for the roles."""
    found = []
    for name, actor in people_with("approve", deployment.environment.slug).items():
        unfit = approvals.unfit(actor, deployment)
        found.append(Approver(name, unfit is None, unfit.detail if unfit else ""))
    return found


def people_with(action: str, slug: str) -> dict[str, Actor]:
    """By name: everybody who may do that in this environment. One query for the roles."""
    bound = RoleBinding.objects.filter(user__isnull=False, environment__in=(slug, EVERYWHERE))
    users = get_user_model().objects.filter(is_active=True)
    rows = users.filter(pk__in=bound.values("user_id")) | users.filter(is_superuser=True)
    actors = {user.get_username(): actor_for_user(user) for user in rows}
    return {name: actors[name] for name in sorted(actors) if may(actors[name], action, slug)}


def why_not(actor: Actor, deployment: Deployment) -> str:
    """Why this actor cannot apply or approve the plan; empty when they can."""
    slug = deployment.environment.slug
    action = approvals.right_to_apply(deployment)
    if not may(actor, action, slug):
        held = ", ".join(sorted(actor.roles_in(slug))) or "none"
        return f"Your role in {slug} is {held}; {action} needs another."
    unfit = approvals.unfit(actor, deployment)
    return unfit.detail if unfit else ""


def blocked_by(deployment: Deployment) -> list[dict[str, Any]]:
    """What stands between the plan and its update now; the stack's holder for a queued run."""
    found: list[dict[str, Any]] = []
    if deployment.status in GATED:
        found += [blocker.as_dict() for blocker in gates.blockers(deployment)]
    if deployment.status == DeploymentStatus.SCHEDULED:
        found = [*_lapsed(deployment), *found]
    if deployment.status == DeploymentStatus.PLANNING:
        found += [blocker.as_dict() for blocker in gates.blockers(deployment) if blocker.waits]
    if deployment.status == DeploymentStatus.APPLYING:
        found += _holder(deployment)
    return found


def _lapsed(deployment: Deployment) -> list[dict[str, Any]]:
    """What was decided and counts no more, until the sweeper or its turn asks again."""
    no = approvals.lapsed(deployment) if approvals.unvoided(deployment).exists() else None
    if no is None:
        return []
    then = (
        "It awaits a decision again within seconds."
        if deployment.turn_at is not None
        else "It is planned anew when its turn comes, and then awaits a decision."
    )
    return [Blocker(no.code, f"{no.detail} {then}").as_dict()]


def _holder(deployment: Deployment) -> list[dict[str, Any]]:
    if not deployment.runs.filter(mutating=True, status=RunStatus.QUEUED).exists():
        return []
    rows = Run.objects.active().filter(stack__environment=deployment.environment, mutating=True)
    return [
        {
            "code": "stack.busy",
            "detail": f"Run {run.pk} ({run.operation}) holds the stack since"
            f" {run.claimed_at:%H:%M} UTC, requested by {run.requested_by}.",
        }
        for run in rows
    ]


def checks_found(deployment: Deployment) -> list[CheckFound]:
    """The checks that count in the verification, with their last look since the update."""
    run = verification.applied_run(deployment)
    if run is None or run.finished_at is None:
        return []
    checks = verification.checks_of(deployment)
    results = verification.results_since(checks, run.finished_at)
    return [
        CheckFound(
            check.pk,
            check.name,
            results[check.pk].found if check.pk in results else "",
            results[check.pk].reason if check.pk in results else "",
            results[check.pk].at if check.pk in results else None,
        )
        for check in checks
    ]


def expires_at(deployment: Deployment) -> datetime | None:
    """
    When a plan that waits for people is dropped; of a scheduled one, when it waits for them
    again.
    """
    if deployment.status == DeploymentStatus.SCHEDULED and deployment.turn_at is not None:
        return approvals.given_until(deployment)
    if deployment.status != DeploymentStatus.AWAITING_APPROVAL:
        return None
    since = expiring.waits_since(deployment)
    return since + approvals.holds_for(deployment) if since else None


def duration(row: Deployment | Run) -> float | None:
    """Seconds from its start to its end."""
    if row.started_at is None or row.finished_at is None:
        return None
    return round((row.finished_at - row.started_at).total_seconds(), 3)


def resource_states(run: Run) -> dict[str, RunEvent]:
    """The last event of each resource of a run: what the moving tree shows."""
    kinds = ("resource_began", "resource_done", "resource_failed")
    rows = RunEvent.objects.filter(run=run, kind__in=kinds).exclude(urn="").order_by("sequence")
    return {event.urn: event for event in rows}


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What the recovery page walks through."""

    run: Run | None
    alive: list[str]
    pending: list[dict[str, Any]]
    locks_removed: list[dict[str, Any]]
    locks_left: list[dict[str, Any]]
    settled: bool


def recovery(deployment: Deployment) -> Recovery:
    """The facts of a deployment that needs recovery."""
    run = deployment.runs.filter(mutating=True).exclude(operation=Operation.REFRESH).first()
    if run is None:
        return Recovery(None, [], [], [], [], settled=True)
    found = run.parameters.get(settling.SETTLED) or {}
    return Recovery(
        run,
        [f"pid {facts.pid} on {facts.host}" for facts in settling.living_processes(run)],
        run.pending_operations,
        found.get("removed", []),
        found.get("foreign", []),
        settled=settling.SETTLED in run.parameters,
    )
