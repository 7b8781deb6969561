"""`manage.py change_schedule N --pause | --resume | --end`: a door on its two verbs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.deployments import services
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import told


class Command(BaseCommand):
    help = "Pauses a schedule, lets it go on, or ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("schedule", type=int)
        wish = parser.add_mutually_exclusive_group(required=True)
        for name in ("pause", "resume", "end"):
            wish.add_argument(f"--{name}", dest="wish", action="store_const", const=name)
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, pk, wish = acting(options["user"]), options["schedule"], options["wish"]
        if wish == "end":
            row = told(lambda: services.end_schedule(actor, schedule=pk))
        else:
            row = told(lambda: services.pause_schedule(actor, schedule=pk, paused=wish == "pause"))
        done = {"pause": "is paused", "resume": "goes on", "end": "fires no more"}[wish]
        self.stdout.write(f"Schedule {row.pk} of {row.environment.slug} {done}.")
