"""Days and times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from apps.core.errors import Invalid

# What a `datetime-local` field of a browser takes and sends.
IN_FIELD = "%Y-%m-%dT%H:%M"


def in_field(at: datetime) -> str:
    """A moment as such a field shows it, in UTC."""
    return at.astimezone(UTC).strftime(IN_FIELD)


def moment(text: str, field: str) -> datetime:
    """A `datetime-local` field in UTC. Raises Invalid (`freeze.malformed`) naming the field."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise Invalid(
            "freeze.malformed",
            f"“{text}” is no day and time.",
            next_step="Write it like 2026-01-04T09:00.",
            errors={field: "A day and a time, such as 2026-01-04T09:00."},
        )
    return found if found.tzinfo else found.replace(tzinfo=UTC)
