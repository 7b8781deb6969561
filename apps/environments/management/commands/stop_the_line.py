"""`manage.py stop_the_line --reason R`, or `--lift`: the switch for every mutating run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.environments.services import lift_stop, stop_the_line


class Command(BaseCommand):
    help = "Lets no run that changes anything begin in any environment, until --lift."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", help="everybody who is stopped reads it")
        parser.add_argument("--lift", action="store_true", help="let runs begin again")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        try:
            if options["lift"]:
                lift_stop(actor, reason=options["reason"])
                self.stdout.write("The line runs again.")
                return
            stop_the_line(actor, reason=options["reason"])
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write("The line is stopped. Lift it with --lift.")
