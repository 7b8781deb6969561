"""`manage.py lock_environment ENV --until T --reason R`, or `--release`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.management.acting import acting, add_as
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.environments.lookup import find_environment
from apps.environments.moments import moment
from apps.environments.services import lock_environment, unlock_environment
from apps.environments.times import locks_now


class Command(BaseCommand):
    help = "Keeps an environment to yourself until a moment, or releases a lock."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environment")
        parser.add_argument("--name", default="repair", help="what the lock is called")
        parser.add_argument("--until", default="", metavar="TIME", help="UTC: 2026-01-04T09:00")
        parser.add_argument("--reason", default="", help="everybody who is stopped reads it")
        parser.add_argument("--release", action="store_true", help="release the lock of this name")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, slug = acting(options["user"]), options["environment"]
        try:
            if options["release"]:
                self.release(actor, slug, options["name"])
                return
            row = lock_environment(
                actor,
                environment=slug,
                name=options["name"],
                reason=options["reason"],
                expires_at=moment(options["until"], "until"),
            )
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{slug} is locked until {row.expires_at:%Y-%m-%d %H:%M} UTC.")

    def release(self, actor: Actor, slug: str, name: str) -> None:
        place = find_environment(actor, slug)
        for row in locks_now(place, timezone.now()):
            if row.name == name:
                unlock_environment(actor, lock=row.pk)
                self.stdout.write(f"Lock {name} of {slug} is released.")
                return
        self.stdout.write(f"{slug} has no lock {name}.")
