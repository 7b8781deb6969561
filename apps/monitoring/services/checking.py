"""Verbs on checks."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound
from apps.core.permissions import Actor, check
from apps.environments.lookup import find_environment
from apps.live.services import announce
from apps.monitoring.choices import CheckKind, Health
from apps.monitoring.heartbeats import make_heartbeat
from apps.monitoring.incidents import follow, thing_of
from apps.monitoring.judging import slot_after
from apps.monitoring.models import Check
from apps.monitoring.parameters import KNOWN, NAME, faults
from apps.monitoring.tasks import probe


def register_check(
    actor: Actor,
    *,
    environment: str,
    name: str,
    kind: str,
    parameters: dict[str, Any],
    source: str = "",
    interval: int = 15,
    is_gate: bool = False,
) -> Check:
    """
    Makes a check, or brings the one of this name up to date; it is looked at soon. A paused one
    stays paused: that is the operator's to change. Raises Invalid (`check.malformed`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    _refuse_malformed(name, kind, parameters, interval)
    with transaction.atomic():
        row, made = Check.objects.select_for_update().get_or_create(
            environment=place,
            name=name,
            defaults={"kind": kind, "parameters": parameters, "source": source},
        )
        if row.parameters != parameters or row.kind != kind:
            row.health, row.memory, row.health_since = Health.UNKNOWN, {}, timezone.now()
            row.failures_in_a_row = row.successes_in_a_row = 0
            row.health_reason = ""
        row.kind, row.parameters, row.source = kind, parameters, source
        row.interval, row.is_gate = interval, is_gate
        row.next_check_at = timezone.now() if row.is_enabled else None
        if kind == CheckKind.HEARTBEAT:
            make_heartbeat(row)
            row.fall = row.rise = (
                1  # a call that is late is late: there is nothing to look again at
            )
        row.save()
        record(
            actor,
            "monitoring.check.registered" if made else "monitoring.check.updated",
            row,
            environment=environment,
            kind=kind,
        )
        announce(f"environment:{environment}", "check.registered", check=row.pk, name=name)
        transaction.on_commit(_hint, robust=True)
    return row


def retire_check(actor: Actor, *, check_id: int) -> None:
    """Removes a check with its results. One that is gone already is no error."""
    row = Check.objects.select_related("environment").filter(pk=check_id).first()
    if row is None:
        return
    slug = row.environment.slug
    check(actor, "edit_settings", slug)
    with transaction.atomic():
        record(actor, "monitoring.check.retired", row, environment=slug)
        key, place, name = row.pk, row.environment, row.name
        row.delete()
        follow(place, thing_of(name))
        announce(f"environment:{slug}", "check.retired", check=key, name=name)


def set_check_enabled(actor: Actor, *, check_id: int, enabled: bool) -> Check:
    """Switches a check on or off; off it is paused, which is not trouble."""
    row = _find(actor, check_id)
    slug = row.environment.slug
    check(actor, "check", slug)
    with transaction.atomic():
        Check.objects.filter(pk=row.pk).update(
            is_enabled=enabled, next_check_at=slot_after(row, timezone.now()) if enabled else None
        )
        word = "enabled" if enabled else "paused"
        record(actor, f"monitoring.check.{word}", row, environment=slug)
        follow(row.environment, thing_of(row.name), "" if enabled else f"Paused by {actor.name}.")
        announce(f"environment:{slug}", f"check.{word}", check=row.pk, name=row.name)
    row.refresh_from_db()
    return row


def request_checks(actor: Actor, *, environment: str, check_id: int | None = None) -> int:
    """Has the environment's checks (or one) looked at now, tools included; returns how many."""
    place = find_environment(actor, environment)
    check(actor, "check", environment)
    rows = Check.objects.enabled().filter(environment=place)
    if check_id is not None:
        rows = rows.filter(pk=check_id)
    with transaction.atomic():
        count = rows.update(next_check_at=timezone.now())
        for row in rows.filter(kind=CheckKind.MCP):
            row.memory.pop("deep_at", None)
            rows.filter(pk=row.pk).update(memory=row.memory)
        record(
            actor,
            "monitoring.check.requested",
            place,
            environment=environment,
            checks=count,
            check=check_id,
        )
        announce(f"environment:{environment}", "check.requested", checks=count)
        transaction.on_commit(_hint, robust=True)
    return count


def _hint() -> None:
    """A round of its own for what is due now; the ticks go on with the rest."""
    probe.apply_async(kwargs={"window": 0}, expires=5, ignore_result=True)


def _find(actor: Actor, check_id: int) -> Check:
    row = Check.objects.visible_to(actor).select_related("environment").filter(pk=check_id).first()
    if row is None:
        raise NotFound("check.unknown", f"There is no check {check_id}.")
    return row


def _refuse_malformed(name: str, kind: str, parameters: dict[str, Any], interval: int) -> None:
    if not NAME.fullmatch(name):
        words = "A name has 1 to 80 letters, digits, spaces and . : / - _"
        raise Invalid("check.malformed", words, errors={"name": words})
    if kind not in KNOWN:
        raise Invalid(
            "check.malformed", f"There is no kind of check {kind}; there are {', '.join(KNOWN)}."
        )
    if wrong := faults(kind, parameters):
        raise Invalid(
            "check.malformed",
            f"A check of kind {kind} cannot be made of this: {' '.join(wrong.values())}",
            errors={f"parameters.{name}": text for name, text in wrong.items()},
        )
    if not 1 <= interval <= 86_400:
        words = "The interval is from 1 second to a day, in seconds."
        raise Invalid("check.malformed", words, errors={"interval": words})
