"""`manage.py promote FROM TO [--watch] [--yes]`: a door on `promote`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.management.asking import AskingCommand
from apps.deployments.models import Deployment


class Command(AskingCommand):
    help = "Plans for one environment exactly what is verified in another one below it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="FROM", help="where it is verified")
        super().add_arguments(parser)

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        return services.promote(
            actor,
            environment=options["environment"],
            source=options["source"],
            reason=options["reason"],
            supersede=options["supersede"],
        )
