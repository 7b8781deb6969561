"""`manage.py grant_role USER ROLE ENV`: a door on `grant_role`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.management import roles
from apps.accounts.management.acting import acting
from apps.core.errors import PortalError


class Command(BaseCommand):
    help = "Gives a person or a token a role in one environment or in all."

    def add_arguments(self, parser: CommandParser) -> None:
        roles.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        holder = roles.holder_of(options)
        try:
            row = services.grant_role(
                actor=acting(options["user"]),
                role=options["role"],
                environment=roles.place_of(options),
                **holder,
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{row.holder} is {row}.")
