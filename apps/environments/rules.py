"""
What the rules of an environment may say. A name that means nothing is an error, never a default:
a rule that cannot be met, or that is always met, protects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from apps.core.errors import Invalid
from apps.environments.choices import EvidenceKind
from apps.environments.models import Environment

BRANCH = re.compile(r"[A-Za-z0-9*?\[\]][A-Za-z0-9._/*?\[\]!-]{0,199}")
MOST = 20
# From a rule that is a number to its least and most.
LIMITS = {
    "required_approvals": (0, 20),
    "soak_minutes": (0, 100_000),
    "approval_hours": (1, 10_000),
    "drift_minutes": (0, 100_000),
}


def check_rules(place: Environment, changes: Mapping[str, Any]) -> None:
    """Raises Invalid (`protection.malformed`) with a sentence for each rule that says nothing."""
    checks: dict[str, Callable[[Any], str]] = {
        "allowed_branches": _branches,
        "required_evidence": _evidence,
        "verified_in": partial(_upstream, place),
        **{name: partial(_number, name) for name in LIMITS},
    }
    errors = {
        name: problem
        for name, look in checks.items()
        if name in changes and (problem := look(changes[name]))
    }
    if errors:
        raise Invalid(
            "protection.malformed",
            f"The rules of {place.slug} were not changed. {' '.join(errors.values())}",
            next_step="Correct what is named and set them again.",
            errors=errors,
        )


def lower_environments(place: Environment) -> list[str]:
    """Where a revision may come from: the environments before this one, nearest first."""
    rows = Environment.objects.filter(rank__lt=place.rank).order_by("-rank")
    return list(rows.values_list("slug", flat=True))


def _number(name: str, value: Any) -> str:
    least, most = LIMITS[name]
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return "" if fits else f"{name} is a whole number from {least} to {most}."


def _texts(name: str, value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return f"{name} takes a list of names."
    if len(set(value)) != len(value):
        return f"{name} names something twice."
    return f"{name} takes {MOST} names at most." if len(value) > MOST else ""


def _branches(value: Any) -> str:
    if problem := _texts("allowed_branches", value):
        return problem
    wrong = [item for item in value if not BRANCH.fullmatch(item)]
    return f"{', '.join(map(repr, wrong))} is no pattern of a branch." if wrong else ""


def _evidence(value: Any) -> str:
    if problem := _texts("required_evidence", value):
        return problem
    wrong = sorted(set(value) - set(EvidenceKind.values))
    if not wrong:
        return ""
    return f"{', '.join(wrong)} is no kind of evidence; there are {', '.join(EvidenceKind.values)}."


def _upstream(place: Environment, value: Any) -> str:
    if problem := _texts("verified_in", value):
        return problem
    lower = lower_environments(place)
    wrong = sorted(set(value) - set(lower))
    if not wrong:
        return ""
    there = f"there are {', '.join(lower)}" if lower else "there is none"
    return f"{', '.join(wrong)} is no environment before {place.slug}; {there}."
