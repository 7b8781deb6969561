"""`manage.py create_token USER`: prints a token, once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.choices import Scope
from apps.core.errors import PortalError
from apps.core.permissions import system


class Command(BaseCommand):
    help = "Makes a token for a person and prints it; nobody can show it a second time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--name", default="command line", help="what it is for")
        parser.add_argument("--scopes", default=",".join(Scope.values), help="read or read,write")
        parser.add_argument("--days", type=int, help="how long it lives; for ever without")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(
                f"There is no active person {options['user']}. manage.py createsuperuser or the"
                " admin makes one."
            )
        try:
            _, text = services.create_token(
                actor=system("create_token"),
                user=user,
                name=options["name"],
                scopes=[scope.strip() for scope in options["scopes"].split(",") if scope.strip()],
                days=options["days"],
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(text)
