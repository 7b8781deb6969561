"""Before a plan and before its update: is the environment what its settings say?"""

from __future__ import annotations

from apps.core.permissions import system
from apps.deployments.choices import Operation
from apps.deployments.looks import PROVEN_BY_A_RUN
from apps.deployments.models import Deployment, Run
from apps.deployments.persistence import persist
from apps.deployments.validating import VALIDATED
from apps.environments.choices import Occasion
from apps.environments.services import validate_environment

OCCASIONS = {Operation.PREVIEW: Occasion.PLAN, Operation.UPDATE: Occasion.UPDATE}


def validate_before(run: Run) -> None:
    """
    Keeps what is found with the deployment; the gates read it. Engine, backend and branch are left
    out: the run itself finds out. Does nothing for kinds that need no valid environment.
    """
    occasion = OCCASIONS.get(Operation(run.operation))
    deployment = run.deployment
    if occasion is None or deployment is None or deployment.kind not in VALIDATED:
        return
    found = persist(
        lambda: validate_environment(
            system(f"run {run.pk}"),
            environment=deployment.environment.slug,
            occasion=occasion,
            leave_out=PROVEN_BY_A_RUN,
        )
    )
    persist(lambda: Deployment.objects.filter(pk=deployment.pk).update(validation=found))
    deployment.validation = found
