"""Schedules: deployments at a time, once or by cron."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.audit.services import record
from apps.core.errors import Invalid, NotFound, Refused
from apps.core.permissions import Actor, check
from apps.deployments.choices import FiringOutcome, Kind
from apps.deployments.models import Deployment, Firing, Schedule
from apps.deployments.services.requesting import request_deployment
from apps.environments.cron import parse
from apps.environments.lookup import find_environment
from apps.environments.recurrence import stated_reason
from apps.live.services import announce

MALFORMED = "schedule.malformed"
LONGEST_LATE = 24 * 60
LONGEST_NAME = 80


@dataclasses.dataclass(frozen=True)
class Timing:
    """Either `at` (once) or `cron` in `zone`; a missed moment is made up within `late_minutes`."""

    at: datetime | None = None
    cron: str = ""
    zone: str = "UTC"
    late_minutes: int = 15


def schedule_deployment(
    actor: Actor,
    *,
    environment: str,
    name: str,
    timing: Timing,
    reason: str,
    unattended: bool = False,
) -> Schedule:
    """
    Requests a deployment at a time, with the rights that its maker has then. `unattended` applies
    the plan where nobody is asked for approval; production always waits for a person. Raises
    Invalid (`schedule.malformed`), NotFound, Forbidden.
    """
    place = find_environment(actor, environment)
    check(actor, "deploy", environment)
    text = stated_reason(MALFORMED, reason)
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid(MALFORMED, "A schedule needs a name.", errors={"name": "1 to 80 characters."})
    if unattended and place.is_production:
        raise Invalid(
            MALFORMED,
            f"{environment} is production: its plans wait for a person.",
            errors={"unattended": "Not in production."},
        )
    first = _first(timing)
    with transaction.atomic():
        row = Schedule.objects.create(
            environment=place,
            name=name.strip(),
            cron=timing.cron.strip(),
            zone=timing.zone,
            late_minutes=timing.late_minutes,
            unattended=unattended,
            reason=text,
            created_by=actor.name,
            created_by_id=actor.user_id,
            next_at=first,
        )
        record(
            actor,
            "deployments.schedule.made",
            row,
            environment=environment,
            cron=row.cron,
            next_at=first.isoformat(),
            reason=text,
        )
        announce(f"environment:{environment}", "schedule.made", schedule=row.pk)
    return row


def pause_schedule(actor: Actor, *, schedule: int, paused: bool = True) -> Schedule:
    """Pauses one, or lets it go on: what was missed meanwhile is not made up. Raises Refused."""
    row = _find(actor, schedule)
    now = timezone.now()
    changes = {"paused_at": now if paused else None}
    if not paused and row.cron:
        changes["next_at"] = row.following(now)
    with transaction.atomic():
        rows = Schedule.objects.filter(pk=row.pk, ended_at=None, paused_at__isnull=paused)
        if not rows.update(**changes):
            raise _over(row)
        word = "paused" if paused else "resumed"
        slug = row.environment.slug
        record(actor, f"deployments.schedule.{word}", row, environment=slug)
        announce(f"environment:{slug}", f"schedule.{word}", schedule=row.pk)
    row.refresh_from_db()
    return row


def end_schedule(actor: Actor, *, schedule: int) -> Schedule:
    """It never fires again. Raises Refused (`schedule.over`)."""
    row = _find(actor, schedule)
    with transaction.atomic():
        rows = Schedule.objects.filter(pk=row.pk, ended_at=None)
        if not rows.update(ended_at=timezone.now(), ended_by=actor.name, next_at=None):
            raise _over(row)
        slug = row.environment.slug
        record(actor, "deployments.schedule.ended", row, environment=slug)
        announce(f"environment:{slug}", "schedule.ended", schedule=row.pk)
    row.refresh_from_db()
    return row


def carry_out_firing(actor: Actor, *, firing: int) -> Deployment | None:
    """
    Requests the deployment of one moment, as the schedule's maker; None when it was done already.
    Raises Refused (`schedule.maker_gone`) and as `request_deployment`.
    """
    row = Firing.objects.select_related("schedule__environment").get(pk=firing)
    schedule, slug = row.schedule, row.schedule.environment.slug
    check(actor, "deploy", slug)
    maker = _maker(schedule)
    with transaction.atomic():
        mine = Firing.objects.filter(pk=row.pk, outcome=FiringOutcome.DUE)
        if not mine.update(outcome=FiringOutcome.REQUESTED):
            return None
        made = request_deployment(
            maker, environment=slug, kind=Kind(schedule.kind), reason=schedule.reason
        )
        Deployment.objects.filter(pk=made.pk).update(unattended=schedule.unattended)
        Firing.objects.filter(pk=row.pk).update(deployment=made)
        record(
            actor,
            "deployments.schedule.fired",
            schedule,
            environment=slug,
            deployment=made.pk,
            due_at=row.due_at.isoformat(),
        )
    return made


def _maker(schedule: Schedule) -> Actor:
    """
    Whoever made it, with the rights of now, and not as a person: it is automation that acts, which
    a hold stops.
    """
    user = get_user_model().objects.filter(pk=schedule.created_by_id or 0, is_active=True).first()
    if user is None:
        raise Refused(
            "schedule.maker_gone",
            f"{schedule.created_by}, who made schedule {schedule.name}, has no account any more.",
            next_step="Somebody with the right makes it anew.",
        )
    person = actor_for_user(user)
    name = f"{person.name} by schedule {schedule.name}"[:150]
    return dataclasses.replace(person, kind="token", id=None, name=name)


def _first(timing: Timing) -> datetime:
    now = timezone.now()
    if bool(timing.at) == bool(timing.cron.strip()):
        raise Invalid(
            MALFORMED,
            "A schedule fires once or by cron: give one of them.",
            errors={"cron": "A moment, or a cron expression."},
        )
    if not 0 <= timing.late_minutes <= LONGEST_LATE:
        raise Invalid(
            MALFORMED,
            f"A moment is made up within 0 to {LONGEST_LATE} minutes.",
            errors={"late_minutes": f"0 to {LONGEST_LATE}."},
        )
    if timing.at is not None:
        if timing.at <= now:
            raise Invalid(
                MALFORMED, "That moment has passed.", errors={"at": "A moment in the future."}
            )
        return timing.at
    try:
        found = parse(timing.cron.strip(), timing.zone).after(now)
    except ValueError as error:
        raise Invalid(MALFORMED, str(error), errors={"cron": str(error)}) from error
    assert found is not None
    return found


def _find(actor: Actor, schedule: int) -> Schedule:
    rows = Schedule.objects.select_related("environment")
    row = rows.filter(pk=schedule).first()
    if row is None:
        raise NotFound(
            "schedule.unknown",
            "There is no such schedule.",
            next_step="Choose one from the list of schedules.",
        )
    check(actor, "deploy", row.environment.slug)
    return row


def _over(row: Schedule) -> Refused:
    row.refresh_from_db()
    word = "ended" if row.ended_at else "paused" if row.paused_at else "not paused"
    return Refused(
        "schedule.over",
        f"Schedule {row.name} is {word} already.",
        next_step="Look at it again.",
    )
