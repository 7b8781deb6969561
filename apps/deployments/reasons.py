"""Why something was asked for: free text that stays in the history."""

from __future__ import annotations

from apps.core.errors import Invalid

LONGEST_REASON = 300


def check_reason(reason: str) -> None:
    """Raises Invalid (`deployment.reason`) where it does not fit."""
    if len(reason) > LONGEST_REASON:
        raise Invalid(
            "deployment.reason",
            f"The reason has {len(reason)} characters; {LONGEST_REASON} fit.",
            errors={"reason": f"At most {LONGEST_REASON} characters."},
        )
