"""
The verbs on deployments and runs. Every door calls these and shows the same refusals.

Each takes the actor first, checks the right, writes row, audit and message in one transaction, and
leaves a hint for the worker on commit.
"""

from apps.deployments.services.canceling import cancel_deployment, cancel_run
from apps.deployments.services.deciding import (
    approve_deployment,
    break_glass,
    reject_deployment,
)
from apps.deployments.services.drifting import accept_drift, correct_drift, request_drift
from apps.deployments.services.living import clear_lifetime, end_life, set_lifetime
from apps.deployments.services.promoting import promote
from apps.deployments.services.recovering import recover_deployment
from apps.deployments.services.recovery_steps import (
    adopt_pending_creates,
    clear_pending_creates,
    look_at_state,
    plan_after_recovery,
    prove_death,
    read_back,
    remove_lock,
)
from apps.deployments.services.requesting import (
    replan_deployment,
    request_deployment,
)
from apps.deployments.services.restoring import read_state, restore_state
from apps.deployments.services.revising import lift_rejection, reject_revision, report_evidence
from apps.deployments.services.rolling_back import lift_hold, roll_back
from apps.deployments.services.superseding import supersede_deployment
from apps.deployments.services.timetabling import (
    carry_out_firing,
    end_schedule,
    pause_schedule,
    schedule_deployment,
)

__all__ = [
    "accept_drift",
    "adopt_pending_creates",
    "approve_deployment",
    "break_glass",
    "cancel_deployment",
    "cancel_run",
    "carry_out_firing",
    "clear_lifetime",
    "clear_pending_creates",
    "correct_drift",
    "end_life",
    "end_schedule",
    "lift_hold",
    "lift_rejection",
    "look_at_state",
    "pause_schedule",
    "plan_after_recovery",
    "promote",
    "prove_death",
    "read_back",
    "read_state",
    "recover_deployment",
    "reject_deployment",
    "reject_revision",
    "remove_lock",
    "replan_deployment",
    "report_evidence",
    "request_deployment",
    "request_drift",
    "restore_state",
    "roll_back",
    "schedule_deployment",
    "set_lifetime",
    "supersede_deployment",
]
