"""`manage.py schedule_deployment ENV --name N --reason R --at T | --cron C [--zone Z]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import PortalError
from apps.deployments.management.acting import acting, add_as
from apps.deployments.services import schedule_deployment
from apps.deployments.services.timetabling import Timing
from apps.environments.moments import moment


class Command(BaseCommand):
    help = "Requests a deployment at a time, once or by cron."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--name", required=True)
        parser.add_argument("--reason", default="")
        parser.add_argument("--at", default="", metavar="TIME", help="UTC: 2026-01-04T09:00")
        parser.add_argument("--cron", default="", help="30 2 * * mon-fri")
        parser.add_argument("--zone", default="UTC", help="an IANA name such as Europe/Berlin")
        parser.add_argument("--late-minutes", type=int, default=15, help="made up within these")
        parser.add_argument("--unattended", action="store_true", help="its plan applies itself")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            once = moment(options["at"], "at") if options["at"] else None
            row = schedule_deployment(
                acting(options["user"]),
                environment=options["environment"],
                name=options["name"],
                timing=Timing(once, options["cron"], options["zone"], options["late_minutes"]),
                reason=options["reason"],
                unattended=options["unattended"],
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"Schedule {row.pk} fires at {row.next_at:%Y-%m-%d %H:%M} UTC.")
