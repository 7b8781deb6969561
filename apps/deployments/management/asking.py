"""What `deploy` and `destroy` have in common: ask, watch, confirm."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.permissions import Actor
from apps.deployments import services
from apps.deployments.choices import Kind
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import Watcher, exit_status, told
from apps.deployments.models import Deployment


class AskingCommand(BaseCommand):
    """Requests a deployment of `kind` and follows it."""

    kind = Kind.DEPLOY

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--watch", action="store_true", help="show progress until the end")
        parser.add_argument("--yes", action="store_true", help="confirm the plan when it is ready")
        parser.add_argument(
            "--confirm", default="", metavar="ENV", help="the environment's name, where typed"
        )
        parser.add_argument("--reason", default="", help="why; stays in the history")
        parser.add_argument(
            "--supersede", action="store_true", help="take the place of one that only waits"
        )
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        deployment = told(lambda: self.ask(actor, options))
        self.stdout.write(f"Deployment {deployment.pk}: {self.kind} {options['environment']}")

        def confirm(row: Deployment) -> None:
            told(
                lambda: services.approve_deployment(
                    actor,
                    deployment=row.pk,
                    fingerprint=row.fingerprint,
                    confirm=options["confirm"],
                    comment="confirmed on the command line",
                )
            )

        if options["watch"] or options["yes"]:
            self.watch(deployment.pk, confirm if options["yes"] else None)

    def ask(self, actor: Actor, options: dict[str, Any]) -> Deployment:
        """The verb behind the command."""
        return services.request_deployment(
            actor,
            environment=options["environment"],
            kind=self.kind,
            reason=options["reason"],
            supersede=options["supersede"],
        )

    def watch(self, pk: int, confirm: Any) -> None:
        """Ctrl-C ends the watching only."""
        try:
            found = Watcher(pk, self.stdout).follow(confirm)
        except KeyboardInterrupt:
            self.stdout.write(
                f"\nNot watching any more; deployment {pk} goes on by itself."
                f" Watch it again with `manage.py watch_deployment {pk}`."
            )
            sys.exit(130)
        if status := exit_status(found):
            sys.exit(status)
