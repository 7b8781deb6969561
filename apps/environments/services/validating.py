"""Validating environments: everything a deployment needs is looked at, nothing is changed."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import Actor, check
from apps.environments.choices import Occasion
from apps.environments.lookup import find_environment
from apps.environments.models import Validation
from apps.environments.validation import validate, validate_setup, verdict
from apps.live.services import announce


def validate_environment(
    actor: Actor,
    *,
    environment: str,
    occasion: Occasion = Occasion.ASKED,
    leave_out: Collection[str] = (),
) -> Validation:
    """
    Looks, then keeps what was found. `leave_out` names looks that the caller makes itself. Raises
    NotFound (`environment.unknown`), Forbidden.
    """
    place = find_environment(actor, environment)
    check(actor, "check", environment)
    # Servers are dialled: that is no matter for a transaction.
    items = validate(place, leave_out=leave_out)
    with transaction.atomic():
        row = Validation.objects.create(
            environment=place,
            by=actor.name,
            occasion=occasion,
            status=verdict(items),
            items=[item.as_dict() for item in items],
        )
        record(
            actor,
            "environments.environment.validated",
            place,
            environment=environment,
            validation=row.pk,
            status=row.status,
            occasion=str(occasion),
        )
        announce(
            f"environment:{environment}",
            "environment.validated",
            validation=row.pk,
            status=row.status,
        )
    return row


def check_setup(actor: Actor, *, production_ready: bool = False) -> Validation:
    """
    Looks at the installation, with `production_ready` at all that production asks for. Needs the
    right everywhere.
    """
    check(actor, "check")
    items = validate_setup(production_ready=production_ready)
    occasion = Occasion.READINESS if production_ready else Occasion.SETUP
    with transaction.atomic():
        row = Validation.objects.create(
            by=actor.name,
            occasion=occasion,
            status=verdict(items),
            items=[item.as_dict() for item in items],
        )
        record(
            actor,
            "environments.setup.checked",
            row,
            validation=row.pk,
            status=row.status,
            production_ready=production_ready,
        )
        announce("fleet", "setup.checked", validation=row.pk, status=row.status)
    return row
