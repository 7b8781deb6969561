"""
What somebody had before their eyes when they decided, so that nobody writes over what another has
changed meanwhile.
"""

from __future__ import annotations

import hashlib
import json

from apps.core.errors import Refused
from apps.environments.models import BaseSetting, ProgramSource, Protection, Secret, Setting

NOTHING = "nothing"
Row = BaseSetting | Setting | Secret | Protection | ProgramSource


def mark_of(row: Row | None) -> str:
    """Changes with every change of the row; `nothing` where there is none yet."""
    match row:
        case None:
            return NOTHING
        case Secret():
            return str(row.version)
        case BaseSetting() | Setting() | ProgramSource():
            return row.changed_at.isoformat()
        case Protection():
            names = sorted(field.attname for field in row._meta.concrete_fields)  # noqa: SLF001 - Django's public model API
            held = json.dumps({name: getattr(row, name) for name in names})
            return hashlib.sha256(held.encode()).hexdigest()


def refuse_moved(row: Row | None, seen: str, what: str, by: str) -> None:
    """Raises Refused (`edit.moved`) where `seen` is not what is there; empty was not looked at."""
    if seen and seen != mark_of(row):
        raise Refused(
            "edit.moved",
            f"Nothing was changed: {what} was changed meanwhile{f' by {by}' if by else ''}.",
            next_step="Look at what it is now, and decide again.",
        )
