"""`manage.py revoke_role USER ROLE ENV`: a door on `revoke_role`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.management import roles
from apps.accounts.management.acting import acting
from apps.accounts.models import RoleBinding
from apps.core.errors import PortalError


class Command(BaseCommand):
    help = "Takes a role away from a person or a token."

    def add_arguments(self, parser: CommandParser) -> None:
        roles.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        rows = RoleBinding.objects.filter(**roles.holder_of(options))
        found = {str(row): row for row in rows.select_related("user", "token__user")}
        place = roles.place_of(options)
        row = next(
            (r for r in found.values() if (r.role, r.environment) == (options["role"], place)), None
        )
        if row is None:
            held = ", ".join(found) or "no role"
            raise CommandError(f"{options['holder']} has no such role; there is {held}.")
        try:
            services.revoke_role(actor=acting(options["user"]), binding=row)
        except PortalError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{row.holder} is not {row} any more.")
