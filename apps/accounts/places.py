"""
Where a role can be held. The environments live in a storey above: they register how to name them,
so that a role in a place that does not exist is refused and not kept for later.
"""

from __future__ import annotations

from collections.abc import Callable

from apps.core.errors import NotFound
from apps.core.permissions import EVERYWHERE, Actor, may

_sources: list[Callable[[], list[str]]] = []


def register(source: Callable[[], list[str]]) -> None:
    """`source` gives the slugs of all environments, by rank. The last one wins."""
    _sources[:] = [source]


def all_places() -> list[str]:
    """Slugs of all environments, by rank."""
    return _sources[0]() if _sources else []


def places_to_manage(actor: Actor) -> list[str]:
    """Where this actor may give roles: `*` first where that is everywhere, then slugs."""
    found = [slug for slug in all_places() if may(actor, "manage_access", slug)]
    return [EVERYWHERE, *found] if may(actor, "manage_access") else found


def manages_somewhere(actor: Actor) -> bool:
    """Whether `places_to_manage` has any, without asking which there are."""
    return any(may(actor, "manage_access", place) for _, place in actor.grants)


def check_place(environment: str) -> None:
    """Raises NotFound (`environment.unknown`) for a slug that no environment has."""
    if environment == EVERYWHERE:
        return
    known = all_places()
    if environment not in known:
        raise NotFound(
            "environment.unknown",
            f"There is no environment {environment}. There are {', '.join(known) or 'none'}.",
            next_step="For all of them write *.",
            errors={"environment": f"One of {', '.join(known)}, or *."},
        )
