"""`manage.py reject_revision (--deployment N | --commit C) --reason WHY [--lift]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.deployments import services
from apps.deployments.identity import rejection_of
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.revisions import add_revision, revision_given
from apps.deployments.management.watching import told


class Command(BaseCommand):
    help = "Keeps a revision out of every environment; with --lift lets it go again."

    def add_arguments(self, parser: CommandParser) -> None:
        add_revision(parser)
        parser.add_argument("--reason", default="", help="why; others will read it")
        parser.add_argument("--lift", action="store_true", help="lift the rejection instead")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor, reason = acting(options["user"]), options["reason"]
        revision = told(lambda: revision_given(actor, options))
        if not options["lift"]:
            row = told(lambda: services.reject_revision(actor, revision=revision, reason=reason))
            self.stdout.write(f"Rejected: {revision.short} (rejection {row.pk})")
            return
        found = rejection_of(revision)
        if found is None:
            raise CommandError(f"Revision {revision.short} is not rejected.")
        told(lambda: services.lift_rejection(actor, rejection=found.pk, reason=reason))
        self.stdout.write(f"Lifted: rejection {found.pk} of {revision.short}")
