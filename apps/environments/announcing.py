"""What moved in an environment, for its own page and for those that show all of them."""

from __future__ import annotations

from typing import Any

from apps.live.services import announce


def announce_change(environment: str, kind: str, **payload: Any) -> None:
    """Comes last in a verb, as `announce` does."""
    announce(f"environment:{environment}", kind, **payload)
    announce("fleet", kind, environment=environment)
