"""
What stands between a plan and its update, apart from approvals. Reads rows, changes nothing.

A gate is a function in a module of its own; here it gets its line.
"""

from __future__ import annotations

from collections.abc import Callable

from apps.core.remembering import once
from apps.deployments.approvals import standing
from apps.deployments.blocking import Blocker
from apps.deployments.choices import DeploymentStatus
from apps.deployments.holding import hold_blockers
from apps.deployments.line_gate import line_blockers
from apps.deployments.models import Deployment, Run
from apps.deployments.revision_gates import revision_blockers
from apps.deployments.time_gates import stop_blockers, time_blockers
from apps.deployments.validating import validation_blockers

__all__ = ["Blocker", "blockers", "blockers_of_run"]


@once
def blockers(deployment: Deployment) -> list[Blocker]:
    """Everything that blocks this deployment's update now, worst first."""
    return [blocker for gate in GATES for blocker in gate(deployment)]


def blockers_of_run(run: Run) -> list[Blocker]:
    """
    What keeps a mutating run from beginning. One that carries out no plan (a recovery reads back)
    is kept by the stop of the line alone; a broken glass opens all but what lasts.
    """
    deployment = run.deployment
    if deployment is None or deployment.status != DeploymentStatus.APPLYING:
        return stop_blockers()
    found = blockers(deployment)
    broken = standing(deployment).filter(break_glass=True).exists()
    return [blocker for blocker in found if blocker.lasting] if broken else found


# What a person must mend stands before what passes by itself.
GATES: tuple[Callable[[Deployment], list[Blocker]], ...] = (
    hold_blockers,
    revision_blockers,
    validation_blockers,
    line_blockers,
    time_blockers,
)
