"""`manage.py lift_hold N --reason TEXT`: a door on `lift_hold`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.deployments import services
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import told


class Command(BaseCommand):
    help = "Lets automation, and the revision that was rolled back from, in again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("hold", type=int)
        parser.add_argument("--reason", required=True, help="what has changed since")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        row = told(
            lambda: services.lift_hold(actor, hold=options["hold"], reason=options["reason"])
        )
        self.stdout.write(f"Hold {row.pk} of {row.environment.slug} is lifted.")
