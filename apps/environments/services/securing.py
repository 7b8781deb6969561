"""Secrets: write-only, versioned."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apps.audit.services import record
from apps.core.errors import Invalid
from apps.core.permissions import Actor, check
from apps.core.sealing import seal
from apps.environments.announcing import announce_change
from apps.environments.cleaning import clean_row
from apps.environments.lookup import find_environment
from apps.environments.models import Secret, Stack
from apps.environments.moved import refuse_moved
from apps.environments.secrets import LONGEST_ROTATION, LONGEST_SECRET, fingerprint, secret_identity


@sensitive_variables("value")
def set_secret(
    actor: Actor,
    *,
    environment: str,
    key: str,
    value: str,
    rotate_within_days: int | None = None,
    seen: str = "",
) -> Secret:
    """
    Stores a new version of a secret, sealed for its row; older versions stay for running plans.

    The value is never read back. `seen` is the mark of the version that was looked at. Raises
    Invalid for an empty value, a malformed key or a rotation out of bounds, Refused (`edit.moved`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_secrets", environment)
    if not value:
        raise Invalid(
            "secret.empty", f"The secret {key} would be empty.", errors={"value": "Give a value."}
        )
    if len(value) > LONGEST_SECRET:
        words = f"A secret has at most {LONGEST_SECRET} characters; this one has {len(value)}."
        raise Invalid("secret.long", words, errors={"value": words})
    if rotate_within_days is not None and not 1 <= rotate_within_days <= LONGEST_ROTATION:
        words = f"It is due for rotation within 1 to {LONGEST_ROTATION} days."
        raise Invalid("secret.rotation", words, errors={"rotate_within_days": words})
    due = timezone.now() + timedelta(days=rotate_within_days) if rotate_within_days else None
    with transaction.atomic():
        # The stack row stands for the environment: two setters take turns.
        Stack.objects.select_for_update().get(environment=place)
        last = Secret.objects.filter(environment=place, key=key).order_by("-version").first()
        refuse_moved(last, seen, f"secret {key} of {environment}", last.set_by if last else "")
        version = last.version + 1 if last else 1
        row = Secret(
            environment=place,
            key=key,
            version=version,
            sealed=seal(value, secret_identity(environment, key, version)),
            fingerprint=fingerprint(value),
            set_by=actor.name,
            set_by_id=actor.user_id,
            rotation_due_at=due,
        )
        clean_row(row)
        row.save()
        record(actor, "environments.secret.set", row, environment=environment, version=version)
        announce_change(environment, "secret.set", key=key, version=version)
    return row
