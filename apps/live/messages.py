"""`live.Message` rows as a source of topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from apps.live.models import Message
from apps.live.topics import Row


class MessageSource:
    """One query for all topics: the id is the sequence, and grows in the order of commits."""

    def tail(self, after: Mapping[str, int], limit: int) -> dict[str, list[Row]]:
        rows = Message.objects.filter(id__gt=min(after.values()), topic__in=list(after))
        found: dict[str, list[Row]] = defaultdict(list)
        for message in rows.order_by("id")[:limit]:
            if message.pk > after[message.topic]:
                found[message.topic].append(_row(message))
        return found

    def between(self, topic: str, after: int, upto: int, limit: int) -> list[Row]:
        rows = Message.objects.filter(topic=topic, id__gt=after, id__lte=upto)
        return [_row(message) for message in rows.order_by("id")[:limit]]

    def last(self, topic: str) -> int:  # noqa: ARG002 - a Source's signature; one sequence serves all
        """Of all topics: pages name the newest message they have seen, whatever its topic."""
        newest = Message.objects.order_by("-id").values_list("id", flat=True)
        return newest.first() or 0


def _row(message: Message) -> Row:
    place = message.payload.get("environment")
    return Row(
        sequence=message.pk,
        kind=message.kind,
        at=message.at.isoformat().replace("+00:00", "Z"),
        payload=message.payload,
        place=place if isinstance(place, str) else "",
    )
