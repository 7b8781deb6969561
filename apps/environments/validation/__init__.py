"""Is an environment what its settings say? See `registry` for how looks are added."""

from apps.environments.validation.registry import (
    Installation,
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    sentence,
    setup_check,
    skipped,
    unknown,
    validate,
    validate_setup,
    verdict,
    warning,
)

__all__ = [
    "Installation",
    "Item",
    "Subject",
    "environment_check",
    "failed",
    "passed",
    "sentence",
    "setup_check",
    "skipped",
    "unknown",
    "validate",
    "validate_setup",
    "verdict",
    "warning",
]
