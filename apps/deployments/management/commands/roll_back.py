"""`manage.py roll_back ENV [--to N] [--watch] [--yes]`: a door on `roll_back`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments import rollbacks, services
from apps.deployments.choices import Kind
from apps.deployments.management.acting import acting
from apps.deployments.management.asking import AskingCommand
from apps.deployments.management.watching import told
from apps.deployments.models import Deployment
from apps.environments.lookup import find_environment
from apps.environments.services import set_protection


class Command(AskingCommand):
    help = "Plans the deployment of an earlier verified revision; with --list shows which."
    kind = Kind.ROLLBACK

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--to", type=int, metavar="N", help="the deployment to go back to")
        parser.add_argument(
            "--automatic",
            choices=["on", "off"],
            help="whether a failed verification rolls back by itself; rolls nothing back now",
        )
        parser.add_argument("--list", action="store_true", help="only show what can come back")

    def handle(self, *args: Any, **options: Any) -> None:
        if switch := options["automatic"]:
            actor, slug = acting(options["user"]), options["environment"]
            told(lambda: set_protection(actor, environment=slug, automatic_rollback=switch == "on"))
            self.stdout.write(f"The automatic rollback of {slug} is {switch}.")
            return
        if options["list"]:
            self.show(acting(options["user"]), options["environment"])
            return
        super().handle(*args, **options)

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        return services.roll_back(
            actor,
            environment=options["environment"],
            to=options["to"],
            reason=options["reason"],
            supersede=options["supersede"],
        )

    def show(self, actor: Actor, slug: str) -> None:
        """Each revision on offer with what it would change."""
        place = told(lambda: find_environment(actor, slug))
        found = rollbacks.candidates(place)
        for entry in found:
            row = entry.deployment
            commit = str(row.revision.get("commit", ""))[:12] or "no commit"
            self.stdout.write(f"{row.pk}  {commit}  verified {row.finished_at:%Y-%m-%d %H:%M} UTC")
            for file in entry.files:
                self.stdout.write(f"    {file.path}: {file.change} +{file.added} -{file.removed}")
            for change in entry.settings:
                now, then = change.now or "not set", change.then or "not set"
                self.stdout.write(f"    {change.path}: {now} -> {then}")
        if not found:
            self.stdout.write(f"No earlier verified revision of {slug} can come back.")
