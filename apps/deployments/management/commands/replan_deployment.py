"""`manage.py replan_deployment N`: a door on the verb."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.deciding import DeploymentCommand
from apps.deployments.models import Deployment


class Command(DeploymentCommand):
    help = "Makes a new plan of the same request; every approval of the old one is void."

    def act(self, actor: Actor, row: Deployment, **_: Any) -> None:
        services.replan_deployment(actor, deployment=row.pk)
