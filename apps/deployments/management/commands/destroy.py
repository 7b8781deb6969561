"""`manage.py destroy ENV [--watch] [--yes --confirm ENV]`: a door on `request_deployment`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError

from apps.deployments.choices import Kind
from apps.deployments.management.asking import AskingCommand


class Command(AskingCommand):
    help = "Plans the destruction of what an environment holds; asks for its name to apply it."
    kind = Kind.DESTROY

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["environment"]
        if options["yes"] and options["confirm"] != slug:
            if not self.may_ask():
                raise CommandError(
                    f"Destroying needs the name of the environment. Add --confirm {slug}."
                )
            options["confirm"] = input(f"To confirm, type {slug}: ").strip()
            if options["confirm"] != slug:
                raise CommandError(
                    f"You typed “{options['confirm']}”. Type {slug} to destroy."
                    " Nothing was changed."
                )
        super().handle(*args, **options)

    def may_ask(self) -> bool:
        """Whether a person sits at the other end."""
        return sys.stdin.isatty()
