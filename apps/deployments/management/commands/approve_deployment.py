"""`manage.py approve_deployment N --fingerprint F [--confirm ENV]`: a door on the verb."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.deciding import DeploymentCommand, whole_fingerprint
from apps.deployments.models import Deployment


class Command(DeploymentCommand):
    help = "One person's yes to a plan; the last one that is needed applies it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--fingerprint", required=True, help="of the plan that was read")
        parser.add_argument("--confirm", default="", metavar="ENV", help="the environment's name")
        parser.add_argument("--comment", default="")

    def act(self, actor: Actor, row: Deployment, **options: Any) -> None:
        services.approve_deployment(
            actor,
            deployment=row.pk,
            fingerprint=whole_fingerprint(row, options["fingerprint"]),
            confirm=options["confirm"],
            comment=options["comment"],
        )
