"""What a look-up of a model ends at. Processes without pages and REST ask it, too."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models

# A longer one is in no column, and SQLite refuses to look.
NUMBER = re.compile(r"-?[0-9]{1,18}")


def field_of(model: type[models.Model], lookup: str) -> models.Field[Any, Any] | None:
    """The field a look-up ends at; None where it ends in a transform (`__gte`, a JSON key)."""
    found: Any = None
    for part in lookup.split("__"):
        try:
            found = model._meta.get_field(part)  # noqa: SLF001 - Django's public model API
        except FieldDoesNotExist:
            return None
        model = found.related_model or model
    return found if isinstance(found, models.Field) else None
