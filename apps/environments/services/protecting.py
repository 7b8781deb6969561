"""What a change to an environment needs."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Invalid
from apps.core.permissions import Actor, check
from apps.environments.announcing import announce_change
from apps.environments.cleaning import clean_row
from apps.environments.lookup import find_environment
from apps.environments.models import Protection
from apps.environments.moved import refuse_moved
from apps.environments.rules import check_rules


def set_protection(actor: Actor, *, environment: str, seen: str = "", **changes: Any) -> Protection:
    """
    Changes rules of an environment; unknown names are refused. `seen` is the mark of the rules that
    were looked at. Raises Invalid (`protection.malformed`), Refused (`edit.moved`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_protection", environment)
    names = {field.name for field in Protection._meta.fields} - {"id", "environment"}  # noqa: SLF001 - Django's public model API
    if unknown := set(changes) - names:
        raise Invalid("protection.unknown", f"There is no rule {', '.join(sorted(unknown))}.")
    check_rules(place, changes)
    with transaction.atomic():
        row = Protection.objects.select_for_update().get(environment=place)
        refuse_moved(row, seen, f"the protection of {environment}", "")
        old = {name: getattr(row, name) for name in changes}
        for name, value in changes.items():
            setattr(row, name, value)
        clean_row(row)
        row.save()
        record(
            actor,
            "environments.protection.changed",
            row,
            environment=environment,
            old=old,
            new=changes,
        )
        announce_change(environment, "protection.changed")
    return row
