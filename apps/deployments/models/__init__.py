"""Change to an environment: deployment, run, approval; and what is known of revisions."""

from apps.deployments.models.approval import Approval
from apps.deployments.models.deployment import Deployment
from apps.deployments.models.kept import Hold, KeptRevision
from apps.deployments.models.revision import Evidence, RejectedRevision
from apps.deployments.models.run import DriftLook, EnginePlan, Lease, Run, RunEvent, StateCopy
from apps.deployments.models.timetable import Firing, Lifetime, Schedule

__all__ = [
    "Approval",
    "Deployment",
    "DriftLook",
    "EnginePlan",
    "Evidence",
    "Firing",
    "Hold",
    "KeptRevision",
    "Lease",
    "Lifetime",
    "RejectedRevision",
    "Run",
    "RunEvent",
    "Schedule",
    "StateCopy",
]
