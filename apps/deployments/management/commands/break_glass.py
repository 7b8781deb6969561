"""`manage.py break_glass N --reason R --confirm ENV`: a door on `break_glass`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.deployments import services
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import told
from apps.deployments.models import Deployment


class Command(BaseCommand):
    help = "Applies a plan without the approvals it lacks; every admin is told."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deployment", type=int)
        parser.add_argument("--reason", required=True, help="why it cannot wait")
        parser.add_argument("--confirm", default="", metavar="ENV", help="the environment's name")
        parser.add_argument("--fingerprint", default="", help="of the plan; without it the one now")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, pk = acting(options["user"]), options["deployment"]
        row = Deployment.objects.visible_to(actor).filter(pk=pk).first()
        if row is None:
            raise CommandError(f"There is no deployment {pk}.")
        told(
            lambda: services.break_glass(
                actor,
                deployment=pk,
                fingerprint=options["fingerprint"] or row.fingerprint,
                confirm=options["confirm"],
                reason=options["reason"],
            )
        )
        self.stdout.write(f"Deployment {pk}: the glass is broken, the plan is applied.")
