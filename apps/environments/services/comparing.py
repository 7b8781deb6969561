"""Saying why environments differ: for the very values that differ now, and no others."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound
from apps.core.permissions import Actor, check
from apps.environments.announcing import announce_change
from apps.environments.choices import Explained
from apps.environments.lookup import find_environment
from apps.environments.matrix.building import Cell, State, build_matrix, difference_digest
from apps.environments.models import Environment, Explanation


def explain_difference(actor: Actor, *, environment: str, key: str, note: str) -> list[Explanation]:
    """
    Says why the value at `key` differs from the highest environment's; a key ending in `.` stands
    for every unexplained one that begins so. Raises NotFound (`difference.unknown`), Invalid
    (`explanation.empty`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    if not note.strip():
        raise Invalid(
            "explanation.empty",
            "An explanation without words explains nothing.",
            errors={"note": "Say why it is meant."},
        )
    found = _differences(place, key)
    if not found:
        raise NotFound(
            "difference.unknown",
            f"{environment} does not differ at {key}.",
            next_step="Read the matrix again; it may have been changed meanwhile.",
        )
    with transaction.atomic():
        rows = [
            Explanation.objects.update_or_create(
                environment=place,
                kind=Explained.DIFFERENCE,
                key=at,
                subject="",
                defaults={
                    "digest": digest,
                    "note": note.strip()[:300],
                    "by": actor.name,
                    "by_id": actor.user_id,
                },
            )[0]
            for at, digest in found
        ]
        record(
            actor,
            "environments.difference.explained",
            place,
            environment=environment,
            keys=[row.key for row in rows],
            note=note,
        )
        announce_change(environment, "environment.explained", key=key)
    return rows


def _differences(place: Environment, key: str) -> list[tuple[str, str]]:
    """Pairs of key and digest of what differs there."""
    found = []
    for row in build_matrix().rows:
        here = next(cell for cell in row.cells if cell.environment.pk == place.pk)
        if here.shared_with or not _meant(key, row.key, here):
            continue
        found.append((row.key, difference_digest(here.fact, row.cells[-1].fact)))
    return found


def _meant(asked: str, key: str, cell: Cell) -> bool:
    if asked.endswith("."):
        return key.startswith(asked) and cell.state == State.UNEXPLAINED
    return key == asked and cell.differs
