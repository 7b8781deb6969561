"""`manage.py execute_run ID`: the run process. Started by a worker, never by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.deployments.runner.execution import execute


class Command(BaseCommand):
    help = "Carries out a run that a worker has claimed. Not for use by hand."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int)

    def handle(self, *_: Any, **options: Any) -> None:
        execute(options["run"])
