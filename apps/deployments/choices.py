"""Statuses with word and tone, and every legal move between them."""

from __future__ import annotations

from django.db import models

from apps.environments.choices import EvidenceKind


class Operation(models.TextChoices):
    PREVIEW = "preview", "Preview"
    UPDATE = "update", "Update"
    REFRESH = "refresh", "Refresh"
    DESTROY = "destroy", "Destroy"
    IMPORT = "import", "Import"
    DRIFT = "drift", "Drift"


# One active run of these per stack; the others only read, and take no lease.
MUTATING = frozenset({Operation.UPDATE, Operation.REFRESH, Operation.DESTROY, Operation.IMPORT})


class Kind(models.TextChoices):
    DEPLOY = "deploy", "Deploy"
    DESTROY = "destroy", "Destroy"
    ROLLBACK = "rollback", "Rollback"
    IMPORT = "import", "Import"
    REFRESH = "refresh", "Refresh"


# These run the program of their revision; to destroy and to read back needs no rule about it.
RUNS_PROGRAM = (Kind.DEPLOY, Kind.ROLLBACK)


# What a deployment's plan is made by, and what carries it out.
PLANNING_OPERATIONS = {Kind.REFRESH: Operation.DRIFT}
APPLYING_OPERATIONS = {
    Kind.DEPLOY: Operation.UPDATE,
    Kind.ROLLBACK: Operation.UPDATE,
    Kind.DESTROY: Operation.DESTROY,
    Kind.REFRESH: Operation.REFRESH,
    Kind.IMPORT: Operation.IMPORT,
}


class RunStatus(models.TextChoices):
    """*failed*: the engine said no. *errored*: we broke. *lost*: nobody knows what it did."""

    QUEUED = "queued", "Queued"
    STARTING = "starting", "Starting"
    RUNNING = "running", "Running"
    CANCELING = "canceling", "Canceling"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    ERRORED = "errored", "Errored"
    CANCELED = "canceled", "Canceled"
    LOST = "lost", "Lost"

    @property
    def tone(self) -> str:
        return RUN_TONES[self]


RUN_TONES = {
    RunStatus.QUEUED: "off",
    RunStatus.STARTING: "busy",
    RunStatus.RUNNING: "busy",
    RunStatus.CANCELING: "busy",
    RunStatus.SUCCEEDED: "ok",
    RunStatus.FAILED: "bad",
    RunStatus.ERRORED: "bad",
    RunStatus.CANCELED: "off",
    RunStatus.LOST: "bad",
}
RUN_TERMINAL = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.FAILED,
        RunStatus.ERRORED,
        RunStatus.CANCELED,
        RunStatus.LOST,
    }
)
# These have a process, or may have one.
RUN_ACTIVE = frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.CANCELING})
RUN_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.STARTING, RunStatus.CANCELED, RunStatus.ERRORED}),
    RunStatus.STARTING: frozenset(
        {
            RunStatus.RUNNING,
            RunStatus.CANCELING,
            RunStatus.FAILED,
            RunStatus.ERRORED,
            RunStatus.CANCELED,
            RunStatus.LOST,
        }
    ),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.CANCELING,
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.ERRORED,
            RunStatus.CANCELED,
            RunStatus.LOST,
        }
    ),
    RunStatus.CANCELING: frozenset(
        {
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.ERRORED,
            RunStatus.CANCELED,
            RunStatus.LOST,
        }
    ),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.ERRORED: frozenset(),
    RunStatus.CANCELED: frozenset(),
    RunStatus.LOST: frozenset(),
}


class DeploymentStatus(models.TextChoices):
    PLANNING = "planning", "Planning"
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    SCHEDULED = "scheduled", "Scheduled"
    APPLYING = "applying", "Applying"
    VERIFYING = "verifying", "Verifying"
    SUCCEEDED = "succeeded", "Succeeded"
    UNCHANGED = "unchanged", "Unchanged"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    STALE = "stale", "Stale"
    CANCELED = "canceled", "Canceled"
    FAILED = "failed", "Failed"
    ROLLED_BACK = "rolled_back", "Rolled back"
    NEEDS_RECOVERY = "needs_recovery", "Needs recovery"

    @property
    def tone(self) -> str:
        return DEPLOYMENT_TONES[self]


DEPLOYMENT_TONES = {
    DeploymentStatus.PLANNING: "busy",
    DeploymentStatus.AWAITING_APPROVAL: "wait",
    DeploymentStatus.SCHEDULED: "off",
    DeploymentStatus.APPLYING: "busy",
    DeploymentStatus.VERIFYING: "busy",
    DeploymentStatus.SUCCEEDED: "ok",
    DeploymentStatus.UNCHANGED: "ok",
    DeploymentStatus.REJECTED: "off",
    DeploymentStatus.EXPIRED: "off",
    DeploymentStatus.STALE: "off",
    DeploymentStatus.CANCELED: "off",
    DeploymentStatus.FAILED: "bad",
    DeploymentStatus.ROLLED_BACK: "off",
    DeploymentStatus.NEEDS_RECOVERY: "bad",
}
D = DeploymentStatus
# A finished deployment stays what it is; `stale` and `failed` may be planned again, recovery may
# end in either direction, and what succeeded can be rolled back by a later one.
DEPLOYMENT_TRANSITIONS: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    D.PLANNING: frozenset(
        {
            D.AWAITING_APPROVAL,
            D.SCHEDULED,
            D.UNCHANGED,
            D.FAILED,
            D.CANCELED,
            D.NEEDS_RECOVERY,
        }
    ),
    D.AWAITING_APPROVAL: frozenset(
        {D.SCHEDULED, D.APPLYING, D.REJECTED, D.EXPIRED, D.STALE, D.CANCELED, D.PLANNING}
    ),
    D.SCHEDULED: frozenset(
        {D.APPLYING, D.AWAITING_APPROVAL, D.STALE, D.EXPIRED, D.CANCELED, D.PLANNING}
    ),
    D.APPLYING: frozenset(
        {
            D.VERIFYING,
            D.SCHEDULED,
            D.AWAITING_APPROVAL,
            D.FAILED,
            D.CANCELED,
            D.STALE,
            D.NEEDS_RECOVERY,
        }
    ),
    D.VERIFYING: frozenset({D.SUCCEEDED, D.FAILED}),
    D.SUCCEEDED: frozenset({D.ROLLED_BACK}),
    D.FAILED: frozenset({D.PLANNING, D.ROLLED_BACK}),
    D.STALE: frozenset({D.PLANNING}),
    D.EXPIRED: frozenset({D.PLANNING}),
    D.NEEDS_RECOVERY: frozenset({D.PLANNING, D.FAILED, D.CANCELED}),
    D.UNCHANGED: frozenset(),
    D.REJECTED: frozenset(),
    D.CANCELED: frozenset(),
    D.ROLLED_BACK: frozenset(),
}
DEPLOYMENT_OPEN = frozenset(
    {D.PLANNING, D.AWAITING_APPROVAL, D.SCHEDULED, D.APPLYING, D.VERIFYING, D.NEEDS_RECOVERY}
)
# One of these per environment has the turn, the others wait in line behind it; a verification goes
# on beside the next deployment.
DEPLOYMENT_UNDER_WAY = DEPLOYMENT_OPEN - {D.VERIFYING}


class Verification(models.TextChoices):
    NOT_RUN = "", "Not run"
    RUNNING = "running", "Running"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    INCONCLUSIVE = "inconclusive", "Inconclusive"

    @property
    def tone(self) -> str:
        return {"": "unknown", "running": "busy", "passed": "ok", "failed": "bad"}.get(
            self.value, "warn"
        )


class DriftStatus(models.TextChoices):
    """`unknown`: nobody has looked since the last update."""

    UNKNOWN = "unknown", "Not looked at"
    NONE = "none", "No drift"
    DRIFTED = "drifted", "Drifted"

    @property
    def tone(self) -> str:
        return {"none": "ok", "drifted": "warn"}.get(self.value, "unknown")


class Decision(models.TextChoices):
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"


class EvidenceResult(models.TextChoices):
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"

    @property
    def tone(self) -> str:
        return "ok" if self.value == "passed" else "bad"


# So many different people must have found the same before it counts; one where it is not here.
PEOPLE_NEEDED = {EvidenceKind.CODE_REVIEW: 2}


class FiringOutcome(models.TextChoices):
    """What became of one moment of a schedule."""

    DUE = "due", "Due"
    REQUESTED = "requested", "Requested"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused"
