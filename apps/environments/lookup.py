"""The one way from a slug to an environment: unknown names are errors, never defaults."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.core.remembering import once
from apps.environments.models import Environment, Explanation


def find_environment(actor: Actor, slug: str) -> Environment:
    """The environment, with its stack and protection. Raises NotFound (`environment.unknown`)."""
    rows = Environment.objects.visible_to(actor).select_related("stack", "protection")
    environment = rows.filter(slug=slug).first()
    if environment is None:
        known = ", ".join(
            Environment.objects.visible_to(actor).order_by("rank").values_list("slug", flat=True)
        )
        there = f"There are {known}." if known else "You may see none."
        raise NotFound("environment.unknown", f"There is no environment {slug}. {there}")
    return environment


@once
def all_environments() -> list[Environment]:
    """Every environment with its rules, by rank, whoever asks."""
    return list(Environment.objects.select_related("protection").order_by("rank"))


@once
def all_explanations() -> list[Explanation]:
    """Of differences and of sharing, in every environment."""
    return list(Explanation.objects.order_by("pk"))


def all_slugs() -> list[str]:
    """Of every environment, by rank: where a role can be held."""
    return list(Environment.objects.order_by("rank").values_list("slug", flat=True))
