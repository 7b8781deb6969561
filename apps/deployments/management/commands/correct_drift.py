"""`manage.py correct_drift ENV [--watch] [--yes]`: a door on `correct_drift`."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.choices import Kind
from apps.deployments.management.asking import AskingCommand
from apps.deployments.models import Deployment


class Command(AskingCommand):
    help = "Plans a deployment that brings the real things back; confirmed like any other."
    kind = Kind.DEPLOY

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        return services.correct_drift(
            actor, environment=options["environment"], reason=options["reason"]
        )
