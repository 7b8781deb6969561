"""
`manage.py freeze ENV|--all --until T --reason R`, with hours every week; `--list`, `--edit ID`,
`--lift [ID]`: doors on the verbs of freezes.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.environments.management.hours_options import add_hours, add_place, hours_of, place_of
from apps.environments.models import Freeze
from apps.environments.moments import moment
from apps.environments.recurrence import NO_HOURS, find_place
from apps.environments.services import edit_freeze, freeze_environment, lift_freeze

EVERY = 0


class Command(BaseCommand):
    help = "Forbids changes until a moment or in hours of every week, or lifts what forbids them."

    def add_arguments(self, parser: CommandParser) -> None:
        add_place(parser)
        parser.add_argument("--until", default="", metavar="TIME", help="UTC: 2026-01-04T09:00")
        parser.add_argument("--from", dest="starts", default="", metavar="TIME", help="else now")
        add_hours(parser)
        parser.add_argument("--reason", default="", help="everybody who is stopped reads it")
        deeds = parser.add_mutually_exclusive_group()
        deeds.add_argument("--list", action="store_true", help="what stands there and will")
        deeds.add_argument("--edit", type=int, metavar="ID", help="another --until or --reason")
        deeds.add_argument(
            "--lift", type=int, nargs="?", const=EVERY, metavar="ID", help="one, or each there"
        )
        parser.add_argument("--why", default="", help="why it is edited; kept in the record")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, slug = acting(options["user"]), place_of(options)
        try:
            if options["list"]:
                self.tell(actor, slug)
            elif options["edit"] is not None:
                self.edit(actor, slug, options)
            elif options["lift"] is not None:
                self.lift(actor, slug, options["lift"])
            else:
                self.freeze(actor, slug, options)
        except PortalError as error:
            raise CommandError(error.text) from error

    def freeze(self, actor: Actor, slug: str, options: dict[str, Any]) -> None:
        hours, until, starts = hours_of(options), options["until"], options["starts"]
        row = freeze_environment(
            actor,
            environment=slug,
            reason=options["reason"],
            ends_at=moment(until, "until") if until or hours is NO_HOURS else None,
            starts_at=moment(starts, "starts_at") if starts else None,
            hours=hours,
        )
        self.stdout.write(f"{row.place} {'is' if slug else 'are'} frozen {row.span_in_words()}.")

    def edit(self, actor: Actor, slug: str, options: dict[str, Any]) -> None:
        until = options["until"]
        found(standing(actor, slug), options["edit"])
        row = edit_freeze(
            actor,
            freeze=options["edit"],
            reason=options["reason"],
            ends_at=moment(until, "until") if until else None,
            why=options["why"],
        )
        self.stdout.write(f"Freeze {row.pk} of {row.place} holds {row.span_in_words()}.")

    def lift(self, actor: Actor, slug: str, key: int) -> None:
        rows = standing(actor, slug)
        for row in rows if key == EVERY else [found(rows, key)]:
            lift_freeze(actor, freeze=row.pk)
            self.stdout.write(f"Freeze {row.pk} of {row.place} is lifted.")
        if not rows:
            self.stdout.write(f"{slug} is not frozen." if slug else "They are not all frozen.")

    def tell(self, actor: Actor, slug: str) -> None:
        rows = standing(actor, slug)
        for row in rows:
            now = "holds now" if row.holds_now else f"from {row.starts_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(
                f"{row.pk}  {row.place}  {row.span_in_words()}, {now}, by {row.created_by}:"
                f" {row.reason}"
            )
        if not rows:
            self.stdout.write("No freeze stands there.")


def standing(actor: Actor, slug: str) -> list[Freeze]:
    """Those of the environment itself, or those of all environments."""
    place = find_place(actor, slug)
    rows = Freeze.objects.standing().visible_to(actor).filter(environment=place)
    return list(rows.select_related("environment"))


def found(rows: list[Freeze], key: int) -> Freeze:
    """Raises CommandError where no such freeze stands in the place that was named."""
    for row in rows:
        if row.pk == key:
            return row
    raise CommandError(f"No freeze {key} stands there. Look with --list.")
