"""`manage.py check_setup [--production-ready] [--json]`: a door on `check_setup`."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.environments.choices import Finding
from apps.environments.reports import shown_items
from apps.environments.services import check_setup
from apps.environments.validation import sentence

WIDTHS = (9, 14, 50, 40)


class Command(BaseCommand):
    help = "Looks at the installation, as a table. Exit status: 0, or 1 where something failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--production-ready",
            action="store_true",
            help="the whole checklist before production, environments included",
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        try:
            row = check_setup(actor, production_ready=options["production_ready"])
        except PortalError as error:
            raise CommandError(error.text, returncode=2) from error
        items = shown_items(actor, row)
        if options["json"]:
            self.stdout.write(json.dumps({"status": row.status, "items": items}, indent=2))
        else:
            self._table(items)
            self.stdout.write(f"Setup: {sentence(item['status'] for item in items)}.")
        if row.status == Finding.FAILED:
            sys.exit(1)

    def _table(self, items: list[dict[str, Any]]) -> None:
        self._line("STATUS", "WHAT", "FOUND", "NEXT STEP")
        for item in items:
            word = Finding(item["status"]).label
            self._line(word, item["what"], item["detail"], item["next_step"])

    def _line(self, *cells: str) -> None:
        wrapped = [
            textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)
        ]
        for number in range(max(len(lines) for lines in wrapped)):
            parts = [
                (lines[number] if number < len(lines) else "").ljust(width)
                for lines, width in zip(wrapped, WIDTHS, strict=True)
            ]
            self.stdout.write("  ".join(parts).rstrip())
