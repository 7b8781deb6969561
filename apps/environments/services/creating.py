"""Making environments."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.errors import Invalid, Refused
from apps.core.permissions import Actor, check
from apps.environments.choices import Colour, Tier
from apps.environments.cleaning import clean_row
from apps.environments.models import Environment, Protection, Stack
from apps.live.services import announce


def create_environment(
    actor: Actor, *, slug: str, name: str, tier: str, rank: int, colour: str, description: str = ""
) -> Environment:
    """Makes an environment with its stack and open protection. Raises Invalid, Refused."""
    check(actor, "manage_access")
    row = Environment(
        slug=slug, name=name, tier=tier, rank=rank, colour=colour, description=description
    )
    clean_row(row)
    if (tier == Tier.PRODUCTION) != (colour == Colour.CRIMSON):
        raise Invalid(
            "environment.colour",
            f"{slug} is of tier {tier} and may not be {colour}: crimson is kept for production.",
            errors={"colour": "Crimson is for tier production, and only for it."},
        )
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            raise Refused(
                "environment.exists",
                f"There is an environment {slug} already, or another one has rank {rank}.",
                next_step="Choose another name or rank.",
            ) from error
        Stack.objects.create(environment=row)
        Protection.objects.create(environment=row)
        record(actor, "environments.environment.created", row, environment=slug)
        announce("fleet", "environment.created", environment=slug)
    return row
