"""`manage.py validate_environment [ENV|--all] [--json]`: a door on `validate_environment`."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.environments.choices import Finding
from apps.environments.models import Environment, Validation
from apps.environments.reports import shown_items
from apps.environments.services import validate_environment
from apps.environments.validation import sentence


class Command(BaseCommand):
    help = "Looks at everything a deployment needs. Exit status: 0, or 1 where something failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment", nargs="?", metavar="ENV")
        parser.add_argument("--all", action="store_true", help="every environment, by rank")
        parser.add_argument("--json", action="store_true", help="one JSON document")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        slugs = self._slugs(actor, options["environment"], every=options["all"])
        try:
            rows = {slug: validate_environment(actor, environment=slug) for slug in slugs}
        except PortalError as error:
            raise CommandError(error.text, returncode=2) from error
        if options["json"]:
            found = [document(actor, slug, row) for slug, row in rows.items()]
            self.stdout.write(json.dumps(found if options["all"] else found[0], indent=2))
        else:
            for slug, row in rows.items():
                self._tell(actor, slug, row)
        if any(row.status == Finding.FAILED for row in rows.values()):
            sys.exit(1)

    def _slugs(self, actor: Actor, slug: str | None, *, every: bool) -> list[str]:
        if every == bool(slug):
            raise CommandError("Name one environment, or say --all.", returncode=2)
        if slug:
            return [slug]
        rows = Environment.objects.visible_to(actor).order_by("rank")
        return list(rows.values_list("slug", flat=True))

    def _tell(self, actor: Actor, slug: str, row: Validation) -> None:
        items = shown_items(actor, row)
        self.stdout.write(f"{slug}: {sentence(item['status'] for item in items)}")
        for item in items:
            word = Finding(item["status"]).label
            self.stdout.write(f"  {word:<9}{item['what']}: {item['detail']}")
            if item["next_step"]:
                self.stdout.write(f"           Next: {item['next_step']}")
                self.stdout.write(f"           Why: {item['why']}")


def document(actor: Actor, slug: str, row: Validation) -> dict[str, Any]:
    return {
        "environment": slug,
        "at": row.at.isoformat(),
        "status": row.status,
        "items": shown_items(actor, row),
    }
