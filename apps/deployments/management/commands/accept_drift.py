"""`manage.py accept_drift ENV [--watch] [--yes]`: a door on `accept_drift`."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.choices import Kind
from apps.deployments.management.asking import AskingCommand
from apps.deployments.models import Deployment


class Command(AskingCommand):
    help = "Plans to write the real things into the state; confirmed like any other."
    kind = Kind.REFRESH

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        return services.accept_drift(
            actor, environment=options["environment"], reason=options["reason"]
        )
