"""`manage.py watch_deployment ID`: progress in readable lines until the end."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.deployments.management.watching import Watcher, exit_status


class Command(BaseCommand):
    help = "Shows a deployment's progress until it is over or waits for a decision."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deployment", type=int)

    def handle(self, *_: Any, **options: Any) -> None:
        pk = options["deployment"]
        try:
            found = Watcher(pk, self.stdout).follow()
        except KeyboardInterrupt:
            self.stdout.write(f"\nNot watching any more; deployment {pk} goes on by itself.")
            sys.exit(130)
        if status := exit_status(found):
            sys.exit(status)
