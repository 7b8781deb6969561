"""Empties the outbox: claim, send, write down what was said; and again later where it failed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.errors import OurFault
from apps.live.services import announce
from apps.monitoring.choices import DeliveryStatus
from apps.monitoring.client import LIMIT, Answer, Outgoing, send_all
from apps.monitoring.incidents import note
from apps.monitoring.models import Delivery
from apps.monitoring.runner.preparing import rules_in

AT_ONCE = 50
# A sender that dies leaves its claim to the next one after this.
CLAIM = timedelta(seconds=3 * LIMIT)
FIRST_WAIT, LONGEST_WAIT = 5.0, 3600.0
GIVE_UP_AFTER = timedelta(hours=24)


def deliver_due() -> int:
    """Sends what is due; how many were accepted."""
    accepted = 0
    while rows := claim_due():
        known = {row.pk: row for row in rows}
        messages, broken = _opened(rows)
        for answer in [*broken, *send_all(messages)]:
            accepted += settle(known[answer.key], answer)
        if len(rows) < AT_ONCE:
            break
    return accepted


def claim_due() -> list[Delivery]:
    """The due messages nobody else took, put off at once: whoever takes them dies with them."""
    now = timezone.now()
    due = Delivery.objects.filter(status=DeliveryStatus.QUEUED, next_at__lte=now)
    if not due.exists():
        return []  # without a writer's lock
    with transaction.atomic():
        chosen = due.select_for_update(skip_locked=True, of=("self",)).select_related(
            "route", "incident__environment"
        )
        rows = list(chosen.order_by("next_at")[:AT_ONCE])
        keys = [row.pk for row in rows]
        Delivery.objects.filter(pk__in=keys).update(next_at=now + CLAIM, attempts=F("attempts") + 1)
    for row in rows:
        row.attempts += 1
    return rows


def _opened(rows: list[Delivery]) -> tuple[list[Outgoing], list[Answer]]:
    messages, broken = [], []
    for row in rows:
        try:
            address, secret = row.route.opened()
        except OurFault as error:
            broken.append(Answer(row.pk, accepted=False, words=error.text))
            continue
        kind, rules = row.route.kind, rules_in(row.route.environment_id)
        messages.append(Outgoing(row.pk, kind, address, secret, row.message_id, row.payload, rules))
    return messages, broken


def settle(row: Delivery, answer: Answer) -> bool:
    """Writes down what the receiver said. True when it took the message."""
    now = timezone.now()
    over = answer.final or now - row.made_at > GIVE_UP_AFTER
    status = DeliveryStatus.QUEUED
    if answer.accepted or over:
        status = DeliveryStatus.SENT if answer.accepted else DeliveryStatus.GIVEN_UP
    with transaction.atomic():
        Delivery.objects.filter(pk=row.pk, status=DeliveryStatus.QUEUED).update(
            status=status,
            answer=printable(answer.words),
            sent_at=now if answer.accepted else None,
            next_at=next_try(row, answer, now) if status == DeliveryStatus.QUEUED else None,
        )
        if row.incident and status != DeliveryStatus.QUEUED:
            told = "told" if answer.accepted else "not_told"
            words = "was told" if answer.accepted else f"could not be told: {answer.words}"
            note(row.incident, told, f"{row.route.name} {words}")
        place = row.incident.environment.slug if row.incident else ""
        announce("monitoring", "delivery.changed", environment=place, delivery=row.pk)
    return answer.accepted


def next_try(row: Delivery, answer: Answer, now: datetime) -> datetime:
    """5 s, 10 s, 20 s … an hour, each a little apart; or when the receiver asked for it."""
    wait = min(FIRST_WAIT * 2 ** min(row.attempts - 1, 12), LONGEST_WAIT)
    wait = max(answer.wait, wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads, hides nothing
    return now + timedelta(seconds=wait)


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]
