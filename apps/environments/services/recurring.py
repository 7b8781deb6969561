"""A change to a freeze or a window that stands: one order of steps for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import NotFound, Refused
from apps.core.permissions import EVERYWHERE, Actor, check
from apps.environments.models import Freeze, Window
from apps.environments.recurrence import tell

Row = TypeVar("Row", Freeze, Window)
OVER = {"freeze": "is over already", "window": "has been taken away already"}


def change_row(
    actor: Actor,
    *,
    model: type[Row],
    key: int,
    event: str,
    fields: Callable[[Row], Mapping[str, Any]],
    **detail: Any,
) -> Row:
    """
    Writes what `fields` says of the row, while it stands; the record has it in words before and
    after. Raises NotFound (`freeze.unknown`), Refused (`freeze.over`), and the same of a window.
    """
    word = str(model._meta.model_name)  # noqa: SLF001 - Django's public model API
    row = model.objects.select_related("environment").filter(pk=key).first()
    if row is None:
        raise NotFound(f"{word}.unknown", f"There is no such {word}.")
    slug = row.environment.slug if row.environment else ""
    check(actor, "freeze", slug or EVERYWHERE)
    changes, old = fields(row), row.in_words()
    with transaction.atomic():
        if not model.objects.standing().filter(pk=key).update(**changes):
            raise Refused(f"{word}.over", f"This {word} of {row.place} {OVER[word]}.")
        row.refresh_from_db()
        new = row.in_words()
        moved = {} if new == old else {"old": old, "new": new}
        record(actor, f"environments.{word}.{event}", row, environment=slug, **detail, **moved)
        tell(row.environment, f"{word}.{event}")
    return row
