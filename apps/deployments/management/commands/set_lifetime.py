"""`manage.py set_lifetime ENV --until T --reason R`, or `--clear`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import PortalError
from apps.deployments.management.acting import acting, add_as
from apps.deployments.services import clear_lifetime, set_lifetime
from apps.environments.moments import moment


class Command(BaseCommand):
    help = "Destroys an environment at a moment, with warnings before; again moves the moment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--until", default="", metavar="TIME", help="UTC: 2026-01-04T09:00")
        parser.add_argument("--reason", default="")
        parser.add_argument("--clear", action="store_true", help="let it live on without an end")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, slug = acting(options["user"]), options["environment"]
        try:
            if options["clear"]:
                clear_lifetime(actor, environment=slug)
                self.stdout.write(f"{slug} lives on without an end.")
                return
            ends = moment(options["until"], "until")
            row = set_lifetime(actor, environment=slug, ends_at=ends, reason=options["reason"])
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{slug} is destroyed at {row.ends_at:%Y-%m-%d %H:%M} UTC.")
