"""The store behind `Idempotency-Key`: one row per key and holder, kept for 24 hours."""

from __future__ import annotations

import json
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.choices import FIRST_ANSWER_KEPT
from apps.accounts.models import FirstAnswer
from apps.core.errors import Refused
from apps.core.idempotency import Answer, Claim
from apps.core.sealing import seal, unseal

# Longer than any request takes: what is still open then, died on the way.
PATIENCE = timedelta(minutes=2)


class Answers:
    """Answers are sealed: that of `create_token` holds a secret."""

    def claim(self, holder: str, key: str, digest: str) -> Claim | Answer:
        FirstAnswer.objects.filter(
            holder=holder, key=key, created_at__lt=timezone.now() - FIRST_ANSWER_KEPT
        ).delete()
        try:
            with transaction.atomic():
                return KeyClaim(FirstAnswer.objects.create(holder=holder, key=key, digest=digest))
        except IntegrityError:
            row = FirstAnswer.objects.filter(holder=holder, key=key).first()
        if row is None:
            # The first one failed just now and gave its key back.
            raise _in_progress()
        return _answer_of(row, digest)


class KeyClaim:
    def __init__(self, row: FirstAnswer) -> None:
        self._row = row

    def keep(self, answer: Answer) -> None:
        text = json.dumps({"headers": answer.headers, "body": answer.body})
        FirstAnswer.objects.filter(pk=self._row.pk).update(
            status=answer.status, sealed=seal(text, self._row.identity)
        )

    def drop(self) -> None:
        FirstAnswer.objects.filter(pk=self._row.pk).delete()


def _answer_of(row: FirstAnswer, digest: str) -> Answer:
    if row.digest != digest:
        raise Refused(
            "idempotency.reused",
            "This Idempotency-Key was used for another request within 24 hours.",
            next_step="Use a new key for a new request.",
        )
    if row.status is None:
        raise _in_progress() if row.created_at > timezone.now() - PATIENCE else _unknown()
    content = json.loads(unseal(row.sealed, row.identity))
    return Answer(status=row.status, headers=content["headers"], body=content["body"])


def _in_progress() -> Refused:
    return Refused(
        "idempotency.in_progress",
        "A request with this Idempotency-Key is under way.",
        next_step="Ask again in a second with the same key.",
    )


def _unknown() -> Refused:
    return Refused(
        "idempotency.unknown",
        "A request with this Idempotency-Key began and never ended: it is not known what it did.",
        next_step="Look whether it took effect; then use a new key.",
    )
