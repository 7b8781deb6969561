"""What `grant_role` and `revoke_role` have in common: holder, role, place."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from apps.accounts.choices import Role
from apps.accounts.management.acting import add_as
from apps.accounts.models import Token
from apps.core.permissions import EVERYWHERE

ALL = "all"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("holder", metavar="USER", help="a person's name, or with --token a key")
    parser.add_argument("role", help=", ".join(Role.values))
    parser.add_argument("environment", help=f"a slug, or {ALL}")
    parser.add_argument("--token", action="store_true", help="USER is the key of a token")
    add_as(parser)


def holder_of(options: dict[str, Any]) -> dict[str, Any]:
    """`{"user": row}` or `{"token": row}`. Raises CommandError for one that is not there."""
    name = options["holder"]
    if options["token"]:
        token = Token.objects.select_related("user").filter(key=name).first()
        if token is None:
            raise CommandError(f"There is no token with the key {name}. The admin lists the keys.")
        return {"token": token}
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no person {name}. The admin makes one.")
    return {"user": user}


def place_of(options: dict[str, Any]) -> str:
    return EVERYWHERE if options["environment"] == ALL else options["environment"]
