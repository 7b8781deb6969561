"""Approving, confirming and rejecting a plan. A decision is bound to the plan it was given for."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Forbidden, Invalid, Refused, Stale
from apps.core.permissions import Actor, check
from apps.deployments import approvals, gates, too_late
from apps.deployments.choices import Decision, DeploymentStatus
from apps.deployments.hints import hint
from apps.deployments.lookup import find_deployment
from apps.deployments.models import Approval, Deployment
from apps.deployments.runner import applying, progress
from apps.deployments.runner.announcing import announce_deployment
from apps.monitoring.services import raise_alarm


def approve_deployment(
    actor: Actor,
    *,
    deployment: int,
    fingerprint: str,
    confirm: str = "",
    comment: str = "",
) -> Deployment:
    """
    One person's yes to the plan with this fingerprint. Where the environment asks for no approval
    it is the confirmation that applies the plan; else the last one needed does.

    Raises Refused (`deployment.not_awaiting`, `deployment.blocked`), Stale (`fingerprint.moved`),
    Invalid (`confirm.mismatch`), Forbidden (`approval.own`, `approval.editor`, …).
    """
    row = find_deployment(actor, deployment)
    check(actor, approvals.right_to_apply(row), row.environment.slug)
    _check_decidable(row, fingerprint)
    if reason := approvals.unfit(actor, row):
        raise Forbidden(
            reason.code,
            reason.detail,
            next_step="The page of the deployment names who can approve it.",
        )
    _check_confirmation(row, confirm)
    _check_gates(row)
    with transaction.atomic():
        _decide(actor, row, Decision.APPROVED, comment)
        record(
            actor,
            "deployments.deployment.approved",
            row,
            environment=row.environment.slug,
            fingerprint=fingerprint,
            comment=comment,
        )
        _apply_if_complete(actor, row)
        announce_deployment(row)
    return row


def break_glass(
    actor: Actor, *, deployment: int, fingerprint: str, confirm: str, reason: str
) -> Deployment:
    """
    Applies the plan without the approvals and gates it lacks. A right of its own, a reason, the
    typed name; shown in red for ever. The fingerprint still holds. Raises as `approve_deployment`.
    """
    row = find_deployment(actor, deployment)
    slug = row.environment.slug
    check(actor, "break_glass", slug)
    _check_decidable(row, fingerprint)
    _check_glass(actor, slug, confirm, reason)
    _refuse([blocker for blocker in gates.blockers(row) if blocker.lasting])
    with transaction.atomic():
        lacking = approvals.needed(row) - len(approvals.counting(row))
        _decide(actor, row, Decision.APPROVED, reason, is_break_glass=True)
        record(
            actor,
            "deployments.deployment.glass_broken",
            row,
            environment=slug,
            fingerprint=fingerprint,
            reason=reason,
            approvals_lacking=lacking,
            gates=[blocker.as_dict() for blocker in gates.blockers(row)],
        )
        _start(actor, row)
        _raise_alarm(actor, row, reason)
        announce_deployment(row)
    return row


def reject_deployment(
    actor: Actor, *, deployment: int, fingerprint: str = "", comment: str = ""
) -> Deployment:
    """A no to the plan: it is never applied. Raises Refused, Stale."""
    row = find_deployment(actor, deployment)
    check(actor, approvals.right_to_apply(row), row.environment.slug)
    _check_decidable(row, fingerprint or row.fingerprint)
    with transaction.atomic():
        _decide(actor, row, Decision.REJECTED, comment)
        moved = progress.move(
            row,
            DeploymentStatus.REJECTED,
            status_code="deployment.rejected",
            status_reason=f"Rejected by {actor.name}{': ' + comment if comment else '.'}",
            status_next_step="Request a new deployment when the reason is mended.",
        )
        if not moved:
            raise _moved_on(row)
        record(
            actor,
            "deployments.deployment.rejected",
            row,
            environment=row.environment.slug,
            comment=comment,
        )
        announce_deployment(row)
    return row


def _raise_alarm(actor: Actor, row: Deployment, reason: str) -> None:
    """An incident on every page and route, and a mail to every admin that is due from now on."""
    row.glass_broken = True
    Deployment.objects.filter(pk=row.pk).update(glass_broken=True)
    given = row.approvals.filter(break_glass=True, fingerprint=row.fingerprint)
    given.filter(alarmed_at=None).update(alarm_due_at=timezone.now())
    raise_alarm(
        actor,
        environment=row.environment.slug,
        name=f"break_glass_of_deployment_{row.pk}",
        reason=f"{actor.name} broke the glass of deployment {row.pk}: {reason}"[:300],
    )


def _check_decidable(row: Deployment, fingerprint: str) -> None:
    if refusal := too_late.to_decide(row):
        raise refusal
    if not fingerprint:
        raise Invalid(
            "fingerprint.missing",
            "A decision names the plan it is for.",
            next_step='Send the fingerprint of the plan as If-Match: "<fingerprint>".',
        )
    if fingerprint != row.fingerprint:
        raise Stale(
            "fingerprint.moved",
            f"This decision was for another plan of deployment {row.pk}. Nothing was changed.",
            next_step="Look at the plan as it is now and decide again.",
        )


def _check_glass(actor: Actor, slug: str, confirm: str, reason: str) -> None:
    if actor.kind != "user":
        raise Forbidden(
            "approval.person_needed",
            "Only a person may break the glass.",
            next_step="Log in and break it on the page of the deployment.",
        )
    if not reason.strip():
        raise Invalid(
            "reason.missing",
            "Breaking the glass needs a reason; it stays in the history.",
            errors={"reason": "Say why it cannot wait."},
        )
    if confirm != slug:
        raise _mistyped(confirm, slug)


def _check_confirmation(row: Deployment, confirm: str) -> None:
    slug = row.environment.slug
    if approvals.asks_typed_confirmation(row) and confirm != slug:
        raise _mistyped(confirm, slug)


def _mistyped(confirm: str, slug: str) -> Invalid:
    """The typed name is not the environment's."""
    typed = f"You typed “{confirm}”." if confirm else "The name was not typed."
    return Invalid(
        "confirm.mismatch",
        f"{typed} Type {slug} to approve. Nothing was changed.",
        errors={"confirm": f"Type {slug}."},
    )


def _check_gates(row: Deployment) -> None:
    """What does not pass by itself refuses the decision; a freeze only lets it wait."""
    _refuse([blocker for blocker in gates.blockers(row) if not blocker.waits])


def _refuse(closed: list[gates.Blocker]) -> None:
    if closed:
        raise Refused(
            "deployment.blocked",
            " ".join(blocker.detail for blocker in closed),
            next_step="Open the gate and approve then.",
            blocked_by=[blocker.as_dict() for blocker in closed],
        )


def _decide(
    actor: Actor,
    row: Deployment,
    decision: Decision,
    comment: str,
    *,
    is_break_glass: bool = False,
) -> None:
    # The deployment's row is taken first: two who decide take turns.
    locked = Deployment.objects.select_for_update().get(pk=row.pk)
    if (locked.status, locked.fingerprint) != (row.status, row.fingerprint):
        raise _moved_on(locked)
    approvals.void_expired(row)
    try:
        with transaction.atomic():
            Approval.objects.create(
                deployment=row,
                fingerprint=row.fingerprint,
                decision=decision,
                by=actor.name,
                by_id=actor.user_id,
                comment=comment[:500],
                break_glass=is_break_glass,
            )
    except IntegrityError as error:
        raise Refused(
            "approval.given",
            "You have decided on this plan already; a person counts once.",
            next_step="Another person decides what is left.",
        ) from error


def _apply_if_complete(actor: Actor, row: Deployment) -> None:
    if len(approvals.counting(row)) < approvals.needed(row):
        return
    waiting = gates.blockers(row)
    if not waiting:
        _start(actor, row)
        return
    moved = progress.move(
        row,
        DeploymentStatus.SCHEDULED,
        status_code=waiting[0].code,
        status_reason=" ".join(blocker.detail for blocker in waiting),
        status_next_step="It starts by itself when free.",
    )
    if not moved:
        raise _moved_on(row)


def _start(actor: Actor, row: Deployment) -> None:
    run = applying.begin(row, requested_by=actor.name)
    if run is None:
        raise _moved_on(row)
    hint(run)


def _moved_on(row: Deployment) -> Refused:
    """Somebody was faster."""
    return Refused(
        "deployment.moved",
        f"Deployment {row.pk} has moved on meanwhile.",
        next_step="Look at it again.",
    )
