"""`manage.py restore_state ENV COPY [--watch] [--yes --confirm ENV]`: a door on `restore_state`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.choices import Kind
from apps.deployments.management.asking import AskingCommand
from apps.deployments.models import Deployment


class Command(AskingCommand):
    help = "Plans writing a kept copy of the state back; asks for the name to apply it."
    kind = Kind.IMPORT

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("copy", type=int, help="number of the copy, as the list of them has it")

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        return services.restore_state(
            actor,
            environment=options["environment"],
            state=options["copy"],
            reason=options["reason"],
            supersede=options["supersede"],
        )
