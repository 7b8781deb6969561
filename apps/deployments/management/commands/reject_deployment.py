"""`manage.py reject_deployment N [--comment WHY]`: a door on the verb."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.deciding import DeploymentCommand, whole_fingerprint
from apps.deployments.models import Deployment


class Command(DeploymentCommand):
    help = "A no to a plan: it is never applied."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--fingerprint", default="", help="of the plan; without it the one now")
        parser.add_argument("--comment", default="", help="why; who asked will read it")

    def act(self, actor: Actor, row: Deployment, **options: Any) -> None:
        services.reject_deployment(
            actor,
            deployment=row.pk,
            fingerprint=whole_fingerprint(row, options["fingerprint"]),
            comment=options["comment"],
        )
