"""Where and in which hours, as the commands of freezes and windows take it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.environments.recurrence import NO_HOURS, Hours


def add_place(parser: CommandParser) -> None:
    parser.add_argument("environment", nargs="?", default="", metavar="ENV")
    parser.add_argument("--all", action="store_true", help="all environments, in place of one")


def place_of(options: dict[str, Any]) -> str:
    """The slug, or nothing for all environments. Raises CommandError when it is neither."""
    if options["all"] == bool(options["environment"]):
        raise CommandError("Name one environment, or say --all.")
    return str(options["environment"])


def add_hours(parser: CommandParser) -> None:
    parser.add_argument("--begins", default="", metavar="HH:MM", help="local, of every week")
    parser.add_argument("--ends", default="", metavar="HH:MM", help="not later: on the next day")
    parser.add_argument("--weekdays", default="", metavar="mon,tue", help="without: every day")
    parser.add_argument("--zone", default="UTC", metavar="NAME", help="as Europe/Berlin")


def hours_of(options: dict[str, Any]) -> Hours:
    """The four options; `NO_HOURS` where none of the first three is given."""
    days = options["weekdays"].replace(",", " ").split()
    if not (options["begins"] or options["ends"] or days):
        return NO_HOURS
    return Hours(options["begins"], options["ends"], days, options["zone"])
