"""`manage.py cancel_deployment N`: a door on the verb."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.deciding import DeploymentCommand
from apps.deployments.models import Deployment


class Command(DeploymentCommand):
    help = "Drops a plan that waits, or asks the run under way to stop."

    def act(self, actor: Actor, row: Deployment, **_: Any) -> None:
        services.cancel_deployment(actor, deployment=row.pk)
