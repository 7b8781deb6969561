"""
`manage.py window ENV|--all --begins HH:MM --ends HH:MM --reason R`; `--list`, `--edit ID`,
`--end ID`: doors on the verbs of windows.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.environments.management.hours_options import add_hours, add_place, hours_of, place_of
from apps.environments.models import Window
from apps.environments.recurrence import find_place
from apps.environments.services import add_window, edit_window, end_window


class Command(BaseCommand):
    help = "Lets changes begin in hours of every week only: adds, lists, edits, ends windows."

    def add_arguments(self, parser: CommandParser) -> None:
        add_place(parser)
        add_hours(parser)
        parser.add_argument("--reason", default="", help="everybody who is kept waiting reads it")
        deeds = parser.add_mutually_exclusive_group()
        deeds.add_argument("--list", action="store_true", help="the windows that stand there")
        deeds.add_argument("--edit", type=int, metavar="ID", help="other hours for one")
        deeds.add_argument("--end", type=int, metavar="ID", help="take one away")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, slug = acting(options["user"]), place_of(options)
        try:
            if options["list"]:
                self.tell(actor, slug)
            elif options["end"] is not None:
                self.end(actor, slug, options)
            else:
                self.open(actor, slug, options)
        except PortalError as error:
            raise CommandError(error.text) from error

    def open(self, actor: Actor, slug: str, options: dict[str, Any]) -> None:
        hours, reason, key = hours_of(options), options["reason"], options["edit"]
        if key is None:
            row = add_window(actor, environment=slug, hours=hours, reason=reason)
        else:
            found(actor, slug, key)
            row = edit_window(actor, window=key, hours=hours, why=reason)
        self.stdout.write(f"Changes of {row.place} begin in window {row.pk}: {row.in_words()}.")

    def end(self, actor: Actor, slug: str, options: dict[str, Any]) -> None:
        found(actor, slug, options["end"])
        row = end_window(actor, window=options["end"], reason=options["reason"])
        self.stdout.write(f"Window {row.pk} of {row.place} is taken away.")

    def tell(self, actor: Actor, slug: str) -> None:
        rows = windows(actor, slug)
        for row in rows:
            said = f"{row.in_words()}, by {row.created_by}: {row.reason}"
            self.stdout.write(f"{row.pk}  {row.place}  {said}")
        if not rows:
            self.stdout.write("No window stands there: changes begin at all times.")


def windows(actor: Actor, slug: str) -> list[Window]:
    """Those of the environment itself, or those of all environments."""
    rows = Window.objects.visible_to(actor).filter(environment=find_place(actor, slug))
    return list(rows.standing().select_related("environment").order_by("pk"))


def found(actor: Actor, slug: str, key: int) -> None:
    """Raises CommandError where no such window stands in the place that was named."""
    if key not in {row.pk for row in windows(actor, slug)}:
        raise CommandError(f"No window {key} stands there. Look with --list.")
