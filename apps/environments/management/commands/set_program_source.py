"""`manage.py set_program_source ENV --url U --ref R [--path P] [--credential KEY]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.environments.services import remove_program_source, set_program_source


class Command(BaseCommand):
    help = "Deploys an environment from a git repository, or from the built-in program again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--url", default="", help="https://… or ssh://git@…")
        parser.add_argument("--ref", default="", help="a branch, a tag or a commit")
        parser.add_argument("--path", default="", help="the program's folder in the repository")
        parser.add_argument("--credential", default="", help="key of the secret that opens it")
        parser.add_argument("--built-in", action="store_true", help="back to the built-in program")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, slug = acting(options["user"]), options["environment"]
        try:
            if options["built_in"]:
                remove_program_source(actor, environment=slug)
                self.stdout.write(f"{slug} deploys the built-in program.")
                return
            names = ("url", "ref", "path", "credential")
            row = set_program_source(
                actor, environment=slug, **{name: options[name] for name in names}
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{slug} deploys {row}.")
