"""
Right before a change, under the lease: is everything still what was approved?

The parts of the fingerprint are computed again from the rows of now and from what the host finds
of now. One that differs refuses the update before anything is begun.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.deployments import approvals, gates
from apps.deployments.choices import DeploymentStatus, Operation, RunStatus
from apps.deployments.configuration import Configuration
from apps.deployments.engine import HostGone, call_host
from apps.deployments.fingerprint import make_parts, moved_parts
from apps.deployments.keeping import commit_now, keep_revision, programs_folder
from apps.deployments.models import Run
from apps.deployments.plans import digest_of_plan
from apps.deployments.runner import expiring
from apps.deployments.runner.outcome import GATE_CLOSED, Outcome, from_result
from apps.deployments.runner.requests import kept_plan, service_request


def refuse_if_moved(run: Run, configuration: Configuration, folder: Path) -> Outcome | None:
    """None when the update may go on; else how the run ends without having begun."""
    if refused := forbidden(run):
        return refused
    deployment = run.deployment
    # A recovery's refresh carries out no plan; it only reads the real things back.
    if deployment is None or deployment.status != DeploymentStatus.APPLYING:
        return None
    is_update = run.operation == Operation.UPDATE
    request = service_request(
        run,
        "inspect",
        folder / "guard",
        config=configuration.for_host(),
        keep=str(programs_folder()) if is_update else None,
        plan=kept_plan(run, folder) if is_update else None,
    )
    try:
        hello, result = call_host(request)
    except HostGone as error:
        return Outcome(
            RunStatus.ERRORED,
            "host.killed",
            f"The state could not be read before the {run.operation}: {error}",
            "Nothing was changed. Plan again.",
        )
    if result.get("outcome") != "succeeded":
        return from_result(result)
    # The look has taken its time: the gates once more, for they are not looked at in the middle.
    refused = _compared(run, configuration, hello, result) or forbidden(run)
    if refused is None and is_update:
        keep_revision(run, configuration, hello.get("program") or {})
    return refused


def forbidden(run: Run) -> Outcome | None:
    """
    What people and rules have against it that was not so when it was approved or claimed. What
    passes by itself sends it back to wait, and so does a decision that lapsed.
    """
    deployment = run.deployment
    if deployment is not None and deployment.status == DeploymentStatus.APPLYING:
        lapsed = approvals.lapsed(deployment)
        if lapsed is not None:
            return Outcome(
                RunStatus.CANCELED,
                lapsed.code,
                f"Nothing was applied: {lapsed.detail}",
                expiring.AGAIN,
            )
    closed = gates.blockers_of_run(run)
    if not closed:
        return None
    waits = all(blocker.waits for blocker in closed)
    return Outcome(
        RunStatus.CANCELED,
        GATE_CLOSED if waits else "deployment.blocked",
        f"Nothing was applied: {' '.join(blocker.detail for blocker in closed)}",
        "It starts by itself when free." if waits else "Open the gate, and plan again.",
    )


def _compared(
    run: Run, configuration: Configuration, hello: dict[str, Any], result: dict[str, Any]
) -> Outcome | None:
    deployment = run.deployment
    assert deployment is not None
    then = deployment.fingerprint_parts
    now = make_parts(
        environment=deployment.environment.slug,
        operation=str(run.operation),
        targets=deployment.targets,
        commit=commit_now(deployment),
        config_digest=configuration.digest(),
        hello=hello,
        state_digest=str(result.get("state_digest_before") or ""),
        # Of the file that the engine is held to, as the host reads it now; else of what is shown.
        plan_digest=str(result.get("plan_digest") or digest_of_plan(deployment.plan)),
    )
    moved = moved_parts(then, now)
    if not moved:
        return None
    return Outcome(
        RunStatus.CANCELED,
        "fingerprint.moved",
        f"Nothing was applied: {'; '.join(part.sentence() for part in moved)}.",
        "Plan again, and look at the new plan.",
        hello=hello,
        moved=[{"part": part.part, "old": part.old, "new": part.new} for part in moved],
    )
