"""What an actor may read of a validation, worst first."""

from __future__ import annotations

from typing import Any

from apps.core.permissions import Actor
from apps.environments.choices import WORST_FIRST, Finding
from apps.environments.models import Validation

ELSEWHERE = "another environment"


def shown_items(actor: Actor, row: Validation) -> list[dict[str, Any]]:
    """
    The lines of a report: `{"code", "what", "status", "detail", "why", "next_step"}`. An
    environment that the actor may not see is not named.
    """
    return [readable(actor, item) for item in by_urgency(row.items)]


def by_urgency(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: WORST_FIRST.index(Finding(item["status"])))


def readable(actor: Actor, item: dict[str, Any]) -> dict[str, Any]:
    """One line with the names of foreign environments left out."""
    visible = actor.visible_environments()
    shown = dict(item)
    for slug in shown.pop("others", []):
        if visible is not None and slug not in visible:
            for key in ("detail", "next_step"):
                shown[key] = shown[key].replace(slug, ELSEWHERE)
    return shown


def newest_validation(environment_id: int) -> Validation | None:
    rows = Validation.objects.filter(environment=environment_id).select_related("environment")
    return rows.order_by("-pk").first()


def newest_setup_check() -> Validation | None:
    """The last look at the installation itself."""
    return Validation.objects.filter(environment=None).order_by("-pk").first()
