"""Field rules of a model as our error."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from apps.core.errors import Invalid


def clean_row(row: models.Model) -> None:
    """Field rules of the model as our error; uniqueness is the database's to say."""
    try:
        row.clean_fields()
    except ValidationError as error:
        errors = {field: " ".join(texts) for field, texts in error.message_dict.items()}
        raise Invalid(
            "input.invalid", f"Not usable: {', '.join(sorted(errors))}.", errors=errors
        ) from error
