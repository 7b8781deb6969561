"""Announcing what moved, in the transaction that moves it."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from apps.live.hints import wake_hubs
from apps.live.models import Message

# Any number that no other advisory lock of this database has.
ORDER_LOCK = 0x0AC4E57A


def announce(topic: str, kind: str, **payload: Any) -> None:
    """
    Writes one message and wakes the hubs after commit. The payload holds ids and words, never
    secrets; on a topic about many environments it names its `environment`, for who may not see
    that one gets no message.

    Sequences are seen in their order: SQLite has one writer, on PostgreSQL an announcing
    transaction waits for the one before it. So this comes last in a verb.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ORDER_LOCK])
    Message.objects.create(topic=topic, kind=kind, payload=payload)
    if not any(entry[1] is wake_hubs for entry in connection.run_on_commit):
        transaction.on_commit(wake_hubs, robust=True)
