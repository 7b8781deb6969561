"""`manage.py create_administrator`: the first one, with a random password that is shown once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.core.errors import PortalError
from apps.core.permissions import system


class Command(BaseCommand):
    help = "Creates the first administrator and prints the password, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            user, password = services.create_administrator(
                actor=system("create_administrator"), username=options["username"]
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"user      {user.get_username()}\npassword  {password}")
