"""How commands name a revision."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.permissions import Actor
from apps.deployments.identity import Identity
from apps.deployments.naming import named_revision


def add_revision(parser: CommandParser) -> None:
    parser.add_argument("--deployment", type=int, metavar="N", help="the revision of deployment N")
    parser.add_argument("--commit", default="", help="all 40 hexadecimal digits")
    parser.add_argument("--tree", default="", help="the program's digest, 64 hexadecimal digits")


def revision_given(actor: Actor, options: dict[str, Any]) -> Identity:
    """Raises as `named_revision`."""
    return named_revision(
        actor,
        deployment=options["deployment"],
        commit=options["commit"],
        program_digest=options["tree"],
    )
