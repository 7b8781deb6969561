"""`manage.py report_evidence KIND RESULT (--deployment N | --commit C)`: what somebody found."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.deployments import services
from apps.deployments.choices import EvidenceResult
from apps.deployments.management.acting import acting, add_as
from apps.deployments.management.revisions import add_revision, revision_given
from apps.deployments.management.watching import told
from apps.environments.choices import EvidenceKind


class Command(BaseCommand):
    help = "Reports evidence about a revision; it counts in every environment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=EvidenceKind.values)
        parser.add_argument("result", choices=EvidenceResult.values)
        add_revision(parser)
        parser.add_argument("--who", default="", help="who found it, where it was not you")
        parser.add_argument("--link", default="", help="where it can be read")
        parser.add_argument("--comment", default="")
        parser.add_argument("--seconds", type=float, help="how long it took, such as the tests")
        add_as(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        actor = acting(options["user"])
        keys = {
            name: options[name] for name in ("kind", "result", "who", "link", "comment", "seconds")
        }
        row = told(
            lambda: services.report_evidence(actor, revision=revision_given(actor, options), **keys)
        )
        self.stdout.write(f"Evidence {row.pk}: {row}")
