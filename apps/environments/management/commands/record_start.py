"""`manage.py record_start SECONDS`: how long the first start took. `make run` calls it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.permissions import system
from apps.environments import services


class Command(BaseCommand):
    help = "Records how long the first start of this installation took."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("seconds", type=float)

    def handle(self, *_: Any, **options: Any) -> None:
        services.record_start(actor=system("start"), seconds=options["seconds"])
