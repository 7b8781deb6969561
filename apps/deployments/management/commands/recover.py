"""`manage.py recover ENV [--steps | --step NAME | --adopt NAME=ID]`: the doors on a recovery."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.permissions import Actor
from apps.deployments import ladder, services
from apps.deployments.choices import DeploymentStatus
from apps.deployments.ladder import pending_creates
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import Watcher, exit_status, told
from apps.deployments.models import Deployment
from apps.deployments.rungs import RUNGS, take_step


class Command(BaseCommand):
    help = "Reads the real things back after a lost run, and plans again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--watch", action="store_true", help="show progress until the plan")
        parser.add_argument(
            "--keep-pending-creates",
            action="store_true",
            help="leave creates that nobody finished in the state",
        )
        parser.add_argument("--steps", action="store_true", help="only show the steps")
        parser.add_argument("--step", choices=sorted(RUNGS), help="take only this step")
        parser.add_argument(
            "--adopt",
            action="append",
            metavar="NAME=ID",
            help="record what this unfinished create left behind; the others are cleared",
        )
        parser.add_argument(
            "--confirm", default="", metavar="ENV", help="the environment's name, for --adopt"
        )
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        slug = options["environment"]
        actor = acting(options["user"])
        rows = Deployment.objects.visible_to(actor).filter(environment__slug=slug)
        row = rows.filter(status=DeploymentStatus.NEEDS_RECOVERY).first()
        if row is None:
            raise CommandError(f"No deployment of {slug} needs recovery.")
        if options["steps"]:
            self.show(row)
            return
        if options["adopt"]:
            self.adopt(actor, row, options["adopt"], options["confirm"])
            return
        if step := options["step"]:
            told(lambda: take_step(actor, deployment=row.pk, step=step))
            self.stdout.write(f"Deployment {row.pk}: step {step} of the recovery of {slug}")
            return
        told(
            lambda: services.recover_deployment(
                actor,
                deployment=row.pk,
                clear_pending_creates=not options["keep_pending_creates"],
            )
        )
        self.stdout.write(f"Deployment {row.pk}: recovering {slug}")
        if options["watch"]:
            found = Watcher(row.pk, self.stdout).follow(recovering=True)
            if status := exit_status(found):
                sys.exit(status)

    def adopt(self, actor: Actor, row: Deployment, pairs: list[str], confirm: str) -> None:
        """`NAME=ID`: the name of the resource, or its whole URN."""
        urns = {str(e["urn"]).rpartition("::")[2]: str(e["urn"]) for e in pending_creates(row)}
        ids = {}
        for pair in pairs:
            name, _, identity = pair.partition("=")
            ids[urns.get(name, name)] = identity
        told(
            lambda: services.adopt_pending_creates(
                actor, deployment=row.pk, ids=ids, confirm=confirm
            )
        )
        self.stdout.write(f"Deployment {row.pk}: adopting {', '.join(ids)}")

    def show(self, row: Deployment) -> None:
        """The ladder, one step after the other."""
        for number, step in enumerate(ladder.steps(row), 1):
            mark = "x" if step.is_done else ">" if step.is_open else " "
            self.stdout.write(f"[{mark}] {number}. {step.title}  ({step.name})")
            self.stdout.write(f"      {step.fact}")
            for entry in step.pending:
                self.stdout.write(f"      {entry.operation} {entry.name} {entry.type}")
            for lock in step.locks:
                since = f"{lock.since:%Y-%m-%d %H:%M:%S} UTC" if lock.since else "not known"
                self.stdout.write(
                    f"      lock ({lock.state}) by {lock.owner} on {lock.host}, pid {lock.pid},"
                    f" since {since}"
                )
