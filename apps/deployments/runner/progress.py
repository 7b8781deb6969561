"""What a finished run means for its deployment. Called in the transaction that ends the run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments.approvals import LAPSED, counting, unvoided
from apps.deployments.choices import (
    APPLYING_OPERATIONS,
    DEPLOYMENT_OPEN,
    DEPLOYMENT_UNDER_WAY,
    PLANNING_OPERATIONS,
    DeploymentStatus,
    Kind,
    Operation,
    RunStatus,
    Verification,
)
from apps.deployments.fingerprint import fingerprint_of, make_parts
from apps.deployments.models import Deployment, Run
from apps.deployments.plans import change_count, digest_of_plan, has_changes
from apps.deployments.runner import restoring, returning
from apps.deployments.runner.announcing import announce_deployment
from apps.deployments.runner.labels import wrong_label
from apps.deployments.runner.outcome import GATE_CLOSED, Outcome

D = DeploymentStatus
# What the last look before a change found: nothing was begun, and a new plan may find it mended.
NOT_BEGUN = ("fingerprint.moved", "deployment.blocked")
PLANNED_BY_ENGINE = (Kind.DEPLOY, Kind.ROLLBACK)


def advance(run: Run, outcome: Outcome) -> None:
    """Moves the deployment of a run that has just ended; one that has moved on stays."""
    if run.deployment_id is None:
        return
    deployment = Deployment.objects.select_related("environment").get(pk=run.deployment_id)
    if run.operation in (Operation.PREVIEW, Operation.DRIFT):
        _after_preview(deployment, run, outcome)
    elif run.operation in (Operation.UPDATE, Operation.DESTROY, Operation.IMPORT):
        _after_change(deployment, run, outcome)
    elif run.operation == Operation.REFRESH:
        _after_refresh(deployment, run, outcome)


def move(deployment: Deployment, to: DeploymentStatus, **fields: Any) -> bool:
    """One step with record and message; a finished one carries its time."""
    if to not in DEPLOYMENT_OPEN:
        fields.setdefault("finished_at", timezone.now())
    if not deployment.move(to, **fields):
        return False
    if to not in DEPLOYMENT_UNDER_WAY:
        transaction.on_commit(partial(_pass_on, deployment.environment_id), robust=True)
    record(
        system("runs"),
        f"deployments.deployment.{to}",
        deployment,
        environment=deployment.environment.slug,
        code=fields.get("status_code", ""),
        reason=fields.get("status_reason", ""),
    )
    announce_deployment(deployment)
    return True


def _pass_on(environment: int) -> None:
    """The next in line has the turn; what this misses, the sweeper does."""
    from apps.deployments.runner import line  # noqa: PLC0415 - the line moves deployments, too

    line.give_turn(environment)


def why(outcome: Outcome) -> dict[str, str]:
    """The run's reason as the deployment's."""
    return {
        "status_code": outcome.code[:60],
        "status_reason": outcome.reason,
        "status_next_step": outcome.next_step,
    }


CREATES_LEFT = {
    "status_code": "state.pending_operations",
    "status_reason": "The state was read back, and still lists creates that nobody finished.",
    "status_next_step": "Clear them, or adopt what they left behind; then plan again.",
}
CLEAR = {"status_code": "", "status_reason": "", "status_next_step": ""}


def _after_preview(deployment: Deployment, run: Run, outcome: Outcome) -> None:
    if run.status == RunStatus.CANCELED:
        move(deployment, D.CANCELED, **why(outcome))
        return
    if deployment.turn_at is None:
        if _stand_in_line(deployment, run, outcome):
            return
        # The turn came while this was written.
        deployment.refresh_from_db()
    if not _take_plan(deployment, run, outcome):
        # The turn was given up meanwhile: a rollback goes first.
        deployment.refresh_from_db()
        if deployment.turn_at is None:
            _stand_in_line(deployment, run, outcome)


def _take_plan(deployment: Deployment, run: Run, outcome: Outcome) -> bool:
    """What the plan of the one with the turn leads to; False when it has moved on."""
    if _is_outdated(deployment, run):
        queue_preview(deployment, requested_by=run.requested_by)
        return True
    if run.status != RunStatus.SUCCEEDED or outcome.plan is None:
        pending = bool(run.pending_operations) and outcome.code == "state.pending_operations"
        return move(deployment, D.NEEDS_RECOVERY if pending else D.FAILED, **why(outcome))
    fields = _planned(deployment, run, outcome)
    if damage := returning.damage(deployment, fields["fingerprint_parts"]):
        return move(deployment, D.FAILED, **damage)
    to = D.AWAITING_APPROVAL if has_changes(fields["plan"]) else D.UNCHANGED
    return move(deployment, to, **fields, **CLEAR)


def _stand_in_line(deployment: Deployment, run: Run, outcome: Outcome) -> bool:
    """
    A plan made ahead of its turn is for reading only: whatever came of it, it is made again. False
    when the turn has come meanwhile.
    """
    fields: dict[str, Any] = {}
    if run.status == RunStatus.SUCCEEDED and outcome.plan is not None:
        fields = _planned(deployment, run, outcome)
    return move(deployment, D.SCHEDULED, **fields, **CLEAR)


def _is_outdated(deployment: Deployment, run: Run) -> bool:
    """Whether the stack was changed by a turn before, while this preview was at work."""
    if run.claimed_at is None or deployment.turn_at is None or run.claimed_at > deployment.turn_at:
        return False
    changes = Run.objects.filter(stack_id=run.stack_id, mutating=True)
    return changes.filter(finished_at__gte=run.claimed_at).exists()


def _planned(deployment: Deployment, run: Run, outcome: Outcome) -> dict[str, Any]:
    """What a preview that succeeded writes into its deployment."""
    plan = dict(outcome.plan or {})
    parts = planned_parts(deployment, run, outcome)
    return {
        "plan": plan,
        "planned_at": timezone.now(),
        "fingerprint_parts": parts,
        "fingerprint": fingerprint_of(parts),
        "revision": {
            **deployment.revision,
            "program_digest": parts["program_digest"],
            "config_digest": parts["config_digest"],
        },
        "configuration": dict(outcome.described),
    }


def planned_parts(deployment: Deployment, run: Run, outcome: Outcome) -> dict[str, Any]:
    """The parts of the fingerprint of this plan."""
    # Only of a preview does the engine make a plan of its own.
    plan_digest = run.plan_digest if deployment.kind in PLANNED_BY_ENGINE else ""
    return make_parts(
        environment=deployment.environment.slug,
        operation=APPLYING_OPERATIONS[Kind(deployment.kind)],
        targets=deployment.targets,
        commit=str(deployment.revision.get("commit", "")),
        config_digest=outcome.config_digest,
        hello=outcome.hello,
        state_digest=run.state_digest_before,
        plan_digest=plan_digest or digest_of_plan(outcome.plan or {}),
    )


def _after_change(deployment: Deployment, run: Run, outcome: Outcome) -> None:
    if outcome.code == GATE_CLOSED:
        move(deployment, D.SCHEDULED, started_at=None, **why(outcome))
    elif outcome.code in LAPSED:
        await_again(deployment, **why(outcome))
    elif outcome.code in NOT_BEGUN:
        move(deployment, D.STALE, **why(outcome))
    elif run.pending_operations or needs_recovery(run, outcome):
        move(deployment, D.NEEDS_RECOVERY, **why(outcome))
    elif run.status == RunStatus.CANCELED:
        move(deployment, D.CANCELED, **why(outcome))
    elif run.status == RunStatus.SUCCEEDED:
        _after_success(deployment, run, outcome)
    else:
        move(deployment, D.FAILED, **why(outcome))


def await_again(deployment: Deployment, **fields: Any) -> bool:
    """
    The plan stands, and what was decided on it is not enough any more; what still counts of it
    goes on counting. `fields` say why.
    """
    moved = move(deployment, D.AWAITING_APPROVAL, started_at=None, **fields)
    if moved:
        still = [row.pk for row in counting(deployment)]
        unvoided(deployment).exclude(pk__in=still).update(voided_at=timezone.now())
    return moved


def needs_recovery(run: Run, outcome: Outcome) -> bool:
    """Whether somebody must find out first what was done."""
    return run.status == RunStatus.LOST or outcome.code in ("engine.killed", "state.damaged")


def _after_success(deployment: Deployment, run: Run, outcome: Outcome) -> None:
    if run.operation == Operation.REFRESH:
        move(deployment, D.VERIFYING, **CLEAR)
        move(deployment, D.SUCCEEDED, status_reason="The state says now what the real things are.")
        return
    if run.operation == Operation.IMPORT:
        _after_restore(deployment, outcome)
        return
    if run.operation != Operation.DESTROY:
        move(deployment, D.VERIFYING, verification=Verification.RUNNING, **CLEAR)
        if wrong := wrong_label(deployment, run):
            move(deployment, **wrong)
            return
        _note_rolled_back(deployment)
        return
    # Nothing is shown as destroyed without a read-back.
    left = real_resources(outcome)
    move(deployment, D.VERIFYING, verification=Verification.RUNNING, **CLEAR)
    if left or run.outputs:
        names = ", ".join(left[:3]) or "outputs"
        move(
            deployment,
            D.FAILED,
            verification=Verification.FAILED,
            status_code="run.incomplete",
            status_reason=f"The engine reported success, but the state still holds {names}.",
            status_next_step="Destroy again: what is left is listed in the state.",
        )
        return
    count = change_count(deployment.plan)
    were = "was" if count == 1 else "were"
    move(
        deployment,
        D.SUCCEEDED,
        verification=Verification.PASSED,
        status_reason=f"Read back: the state holds no resource any more; {count} {were} deleted.",
    )


def _after_restore(deployment: Deployment, outcome: Outcome) -> None:
    """The engine said that it wrote the copy; the state that was read back says whether it did."""
    move(deployment, D.VERIFYING, verification=Verification.RUNNING, **CLEAR)
    if left := restoring.left_over(deployment, outcome):
        move(
            deployment,
            D.FAILED,
            verification=Verification.FAILED,
            status_code="run.incomplete",
            status_reason=f"The engine reported success, but {left}.",
            status_next_step="Restore again, or look at what differs between the copies.",
        )
        return
    move(
        deployment,
        D.SUCCEEDED,
        verification=Verification.PASSED,
        status_reason="Read back: the state is the copy. No real thing was touched; look for drift"
        " to see what differs from it.",
    )


def _note_rolled_back(deployment: Deployment) -> None:
    """What a rollback took the place of says so; one that goes on otherwise stays what it is."""
    if deployment.rolls_back is not None:
        move(
            deployment.rolls_back,
            D.ROLLED_BACK,
            status_code="deployment.rolled_back",
            status_reason=f"Deployment {deployment.pk} brought the revision of deployment"
            f" {deployment.returns_to_id} back.",
            status_next_step="",
        )


def real_resources(outcome: Outcome) -> list[str]:
    """Names of what the state still holds besides the stack and providers."""
    state = outcome.result.get("state") or {}
    resources = (state.get("deployment") or {}).get("resources") or []
    return [
        str(resource.get("urn", "")).rpartition("::")[2]
        for resource in resources
        if resource.get("custom") and not str(resource.get("type", "")).startswith("pulumi:")
    ]


def _after_refresh(deployment: Deployment, run: Run, outcome: Outcome) -> None:
    """A refresh inside a recovery: a new plan when it went well, else the way stays open."""
    if deployment.status == D.APPLYING:
        _after_change(deployment, run, outcome)
        return
    if deployment.status != D.NEEDS_RECOVERY:
        return
    if run.status == RunStatus.SUCCEEDED and run.parameters.get("step"):
        # One step of a recovery that a person walks: the next one is theirs.
        rows = Deployment.objects.filter(pk=deployment.pk, status=D.NEEDS_RECOVERY)
        rows.update(
            status_code="state.pending_operations" if run.pending_operations else "",
            status_reason="The state was read back from the real things"
            + (
                ", and still lists operations that nobody finished."
                if run.pending_operations
                else "."
            ),
            status_next_step="Go on with the next step of the recovery.",
        )
        announce_deployment(deployment)
    elif run.status == RunStatus.SUCCEEDED and not run.pending_operations:
        plan_again(deployment, requested_by=run.requested_by)
    else:
        said = why(outcome) if outcome.code else CREATES_LEFT
        Deployment.objects.filter(pk=deployment.pk, status=D.NEEDS_RECOVERY).update(**said)
        announce_deployment(deployment)


def plan_again(deployment: Deployment, *, requested_by: str, **fields: Any) -> Run | None:
    """
    Back to `planning` with a new preview; approvals of the old plan are void. None when the
    deployment has moved on.
    """
    cleared: dict[str, Any] = {
        "plan": {},
        "fingerprint": "",
        "fingerprint_parts": {},
        "planned_at": None,
        "finished_at": None,
        "verification": "",
        **CLEAR,
        **fields,
    }
    if not move(deployment, D.PLANNING, **cleared):
        return None
    deployment.approvals.filter(voided_at__isnull=True).update(voided_at=timezone.now())
    return queue_preview(deployment, requested_by=requested_by)


def queue_preview(deployment: Deployment, *, requested_by: str) -> Run:
    """The run that plans it."""
    return Run.objects.create(
        stack=deployment.environment.stack,
        deployment=deployment,
        operation=PLANNING_OPERATIONS.get(Kind(deployment.kind), Operation.PREVIEW),
        requested_by=requested_by,
    )
