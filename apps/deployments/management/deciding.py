"""What the commands about one deployment share: which it is, who acts, how it stands afterwards."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.permissions import Actor
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import told
from apps.deployments.models import Deployment

# Digits of a fingerprint that name it; the watcher prints as many.
SHORTEST = 12


class DeploymentCommand(BaseCommand):
    """A door on one verb about one deployment. Raises CommandError in the words of the verb."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deployment", type=int, help="the number of the deployment")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, pk = acting(options["user"]), options["deployment"]
        row = Deployment.objects.visible_to(actor).filter(pk=pk).first()
        if row is None:
            raise CommandError(f"There is no deployment {pk}.")
        told(lambda: self.act(actor, row, **options))
        row.refresh_from_db()
        self.stdout.write(f"Deployment {pk} of {row.environment.slug}: {row.state.label.lower()}.")

    @abstractmethod
    def act(self, actor: Actor, row: Deployment, **options: Any) -> None:
        """Calls the verb."""


def whole_fingerprint(row: Deployment, given: str) -> str:
    """The fingerprint that its first digits name; anything else as it was given, to be refused."""
    known = len(given) >= SHORTEST and row.fingerprint.startswith(given.lower())
    return row.fingerprint if known else given
