"""The life of an environment that is no production: until when, longer, and its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, Refused
from apps.core.permissions import Actor, check
from apps.deployments.choices import Kind
from apps.deployments.models import Deployment, Lifetime
from apps.deployments.services.requesting import request_deployment
from apps.environments.lookup import find_environment
from apps.environments.recurrence import stated_reason
from apps.live.services import announce

MALFORMED = "lifetime.malformed"
LONGEST = timedelta(days=365)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def set_lifetime(actor: Actor, *, environment: str, ends_at: datetime, reason: str) -> Lifetime:
    """
    The environment is destroyed at `ends_at`; called again it lives longer or shorter, and warnings
    come anew. Raises Refused (`lifetime.production`), Invalid (`lifetime.malformed`).
    """
    place = find_environment(actor, environment)
    check(actor, "destroy", environment)
    if place.is_production:
        raise Refused(
            "lifetime.production",
            f"{environment} is production: nothing destroys it by the clock.",
            next_step="Destroy it by hand, with the typed name.",
        )
    text, now = stated_reason(MALFORMED, reason), timezone.now()
    if not now < ends_at <= now + LONGEST:
        raise Invalid(
            MALFORMED,
            f"A lifetime ends in the future, within {LONGEST.days} days.",
            errors={"ends_at": f"Within {LONGEST.days} days from now."},
        )
    with transaction.atomic():
        row, made = Lifetime.objects.update_or_create(
            environment=place,
            defaults={
                "ends_at": ends_at,
                "reason": text,
                "set_by": actor.name,
                "set_by_id": actor.user_id,
                # Who sets it so near has just been told.
                "warned_day_at": now if ends_at <= now + DAY else None,
                "warned_hour_at": now if ends_at <= now + HOUR else None,
                "try_at": None,
                "ended_at": None,
                "deployment": None,
            },
        )
        word = "set" if made else "changed"
        record(
            actor,
            f"deployments.lifetime.{word}",
            row,
            environment=environment,
            until=ends_at.isoformat(),
            reason=text,
        )
        announce(f"environment:{environment}", f"lifetime.{word}", until=ends_at.isoformat())
    return row


def clear_lifetime(actor: Actor, *, environment: str) -> None:
    """It lives on without an end. Raises Refused (`lifetime.none`)."""
    place = find_environment(actor, environment)
    check(actor, "destroy", environment)
    with transaction.atomic():
        row = Lifetime.objects.filter(environment=place, ended_at=None).first()
        if row is None:
            raise Refused(
                "lifetime.none",
                f"{environment} has no end to its life.",
                next_step="Give it one first, or leave it as it is.",
            )
        record(actor, "deployments.lifetime.cleared", row, environment=environment)
        row.delete()
        announce(f"environment:{environment}", "lifetime.cleared")


def end_life(actor: Actor, *, environment: str) -> Deployment | None:
    """
    Requests the destruction that has come due; None when it was done, or its end was moved. The
    plan applies itself where the environment asks nobody for approval.
    """
    place = find_environment(actor, environment)
    check(actor, "destroy", environment)
    now = timezone.now()
    with transaction.atomic():
        mine = Lifetime.objects.filter(environment=place, ended_at=None, ends_at__lte=now)
        row = mine.first()
        if row is None or place.is_production or not mine.update(ended_at=now):
            return None
        made = request_deployment(
            actor,
            environment=environment,
            kind=Kind.DESTROY,
            reason=f"its lifetime ended: {row.reason}",
        )
        Deployment.objects.filter(pk=made.pk).update(unattended=True)
        Lifetime.objects.filter(pk=row.pk).update(deployment=made)
        record(
            actor, "deployments.lifetime.ended", row, environment=environment, deployment=made.pk
        )
    return made
