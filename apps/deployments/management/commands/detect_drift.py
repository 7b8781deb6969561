"""`manage.py detect_drift ENV [--watch]`: a door on `request_drift`. Exit 2 when it has drifted."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.deployments import services
from apps.deployments.asking_drift import words_of
from apps.deployments.choices import RunStatus
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.watching import told
from apps.deployments.models import Run

LOOK_EVERY = 0.5
DRIFTED = 2


class Command(BaseCommand):
    help = "Looks whether the real things of an environment are still as declared."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--watch", action="store_true", help="wait for what it finds")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        slug, actor = options["environment"], acting(options["user"])
        run = told(lambda: services.request_drift(actor, environment=slug))
        self.stdout.write(f"Run {run.pk}: looking for drift in {slug}")
        if options["watch"]:
            self.watch(run)

    def watch(self, run: Run) -> None:
        while not run.is_terminal:
            time.sleep(LOOK_EVERY)
            run.refresh_from_db()
        if run.status != RunStatus.SUCCEEDED:
            raise CommandError(f"Run {run.pk} {run.status}: {run.exit_reason} {run.exit_next_step}")
        changes = run.drift.get("changes", [])
        for change in changes:
            self.stdout.write(f"  {words_of(change)}")
        if not changes:
            self.stdout.write("No drift.")
            return
        slug = run.stack.environment.slug
        self.stdout.write(f"Drifted. manage.py accept_drift {slug}, or correct_drift {slug}.")
        sys.exit(DRIFTED)
