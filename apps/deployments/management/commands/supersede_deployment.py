"""`manage.py supersede_deployment N [--by M]`: a door on the verb."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.deciding import DeploymentCommand
from apps.deployments.models import Deployment


class Command(DeploymentCommand):
    help = "Drops a deployment that only waits in favour of a later one, and names it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--by", type=int, metavar="M", help="without it the last in line")

    def act(self, actor: Actor, row: Deployment, **options: Any) -> None:
        services.supersede_deployment(actor, deployment=row.pk, successor=options["by"])
