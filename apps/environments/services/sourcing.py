"""Where the program of an environment comes from."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Refused
from apps.core.permissions import Actor, check
from apps.environments.announcing import announce_change
from apps.environments.lookup import find_environment
from apps.environments.models import Environment, ProgramSource
from apps.environments.moved import refuse_moved
from apps.environments.sources import check_source, source_of

FIELDS = ("url", "path", "ref", "credential")


def set_program_source(
    actor: Actor,
    *,
    environment: str,
    url: str,
    ref: str,
    path: str = "",
    credential: str = "",
    seen: str = "",
) -> ProgramSource:
    """
    The next deployment takes the commit that `ref` then names. A plan that waits becomes stale.
    `credential` is the key of a secret of the environment; `seen` the mark of the source that was
    looked at. Raises Invalid (`source.malformed`), Refused (`edit.moved`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    path = path.strip("/")
    check_source(place, url=url, path=path, ref=ref, credential=credential)
    new = {"url": url, "path": path, "ref": ref, "credential": credential}
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=place.pk)
        old = source_of(place)
        refuse_moved(old, seen, f"the program source of {environment}", "")
        row, _ = ProgramSource.objects.update_or_create(
            environment=place,
            defaults={**new, "changed_by": actor.name, "changed_by_id": actor.user_id},
        )
        _tell(actor, place, old, new)
    return row


def remove_program_source(actor: Actor, *, environment: str, seen: str = "") -> None:
    """Back to the built-in program. Raises Refused (`source.builtin`, `edit.moved`)."""
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=place.pk)
        old = source_of(place)
        if old is None:
            raise Refused("source.builtin", f"{environment} deploys the built-in program already.")
        refuse_moved(old, seen, f"the program source of {environment}", "")
        _tell(actor, place, old, {})
        old.delete()


def _tell(actor: Actor, place: Environment, old: ProgramSource | None, new: dict[str, Any]) -> None:
    record(
        actor,
        "environments.source.changed",
        place,
        environment=place.slug,
        old={name: getattr(old, name) for name in FIELDS} if old else {},
        new=new,
    )
    announce_change(place.slug, "source.changed")
