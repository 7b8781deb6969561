"""Named locks: somebody keeps an environment to themselves for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, Locked, NotFound, Refused
from apps.core.permissions import Actor, check, may
from apps.environments.lookup import find_environment
from apps.environments.models import NamedLock, Stack
from apps.environments.recurrence import stated_reason, tell
from apps.environments.times import locks_now

MALFORMED = "lock.malformed"
LONGEST = timedelta(days=30)
LONGEST_NAME = 60


def lock_environment(
    actor: Actor, *, environment: str, name: str, reason: str, expires_at: datetime
) -> NamedLock:
    """
    Only deployments that the owner requested pass until `expires_at` (at most 30 days away). Raises
    Locked (`lock.taken`) where the name is held there, Invalid (`lock.malformed`).
    """
    place = find_environment(actor, environment)
    check(actor, "deploy", environment)
    text = stated_reason(MALFORMED, reason)
    _check_input(name.strip(), expires_at)
    with transaction.atomic():
        # The stack row stands for the environment: two who lock take turns.
        Stack.objects.select_for_update().get(environment=place)
        for held in locks_now(place, timezone.now()):
            if held.name == name.strip():
                raise Locked(
                    "lock.taken",
                    f"The lock {held.name} of {environment} is held by {held.owner} until"
                    f" {held.expires_at:%Y-%m-%d %H:%M} UTC: {held.reason}.",
                    next_step=f"Ask {held.owner} to release it, or wait.",
                )
        row = NamedLock.objects.create(
            environment=place,
            name=name.strip(),
            owner=actor.name,
            owner_id=actor.user_id,
            reason=text,
            expires_at=expires_at,
        )
        record(
            actor,
            "environments.lock.taken",
            row,
            environment=environment,
            reason=text,
            until=expires_at.isoformat(),
        )
        tell(place, "lock.taken")
    return row


def unlock_environment(actor: Actor, *, lock: int, reason: str = "") -> NamedLock:
    """
    Releases a named lock: its owner, or who may freeze the environment. Raises Refused
    (`lock.over`), NotFound, Forbidden.
    """
    row = NamedLock.objects.select_related("environment").filter(pk=lock).first()
    if row is None or not may(actor, "view", row.environment.slug):
        raise NotFound("lock.unknown", "There is no such lock.")
    slug = row.environment.slug
    is_owner = actor.user_id is not None and actor.user_id == row.owner_id
    check(actor, "deploy" if is_owner else "freeze", slug)
    now = timezone.now()
    with transaction.atomic():
        rows = NamedLock.objects.filter(pk=row.pk, released_at=None, expires_at__gt=now)
        if not rows.update(released_at=now, released_by=actor.name):
            raise Refused("lock.over", f"The lock {row.name} of {slug} is over already.")
        record(actor, "environments.lock.released", row, environment=slug, reason=reason[:200])
        tell(row.environment, "lock.released")
    row.refresh_from_db()
    return row


def _check_input(name: str, expires_at: datetime) -> None:
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(
            MALFORMED,
            f"A lock needs a name of at most {LONGEST_NAME} characters.",
            errors={"name": f"1 to {LONGEST_NAME} characters."},
        )
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise Invalid(
            MALFORMED,
            f"A lock expires in the future, within {LONGEST.days} days.",
            errors={"expires_at": f"Within {LONGEST.days} days from now."},
        )
