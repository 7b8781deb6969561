"""Whom a command acts as."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from apps.accounts.actors import actor_for_user
from apps.core.permissions import Actor, system


def add_as(parser: CommandParser) -> None:
    parser.add_argument(
        "--as",
        dest="user",
        metavar="USER",
        help="act as this person; without it as the only superuser, else as the command line",
    )


def acting(name: str | None) -> Actor:
    """The person named, the only active superuser, or the portal's own command line."""
    users = get_user_model().objects.filter(is_active=True)
    if name:
        user = users.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no active person {name}. Name another one with --as.")
        return actor_for_user(user)
    admins = list(users.filter(is_superuser=True)[:2])
    return actor_for_user(admins[0]) if len(admins) == 1 else system("command line")
