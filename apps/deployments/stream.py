"""Run events as a source of the live stream, and who may follow runs and deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.permissions import Actor
from apps.deployments.models import Deployment, Run, RunEvent
from apps.live.topics import Row

FIELDS = ("urn", "type", "operation", "status", "severity", "message", "detail")


class RunEventSource:
    """
    Events by run and sequence. One process writes a run's events, in order, so each look sees
    them without gaps.
    """

    def tail(self, after: Mapping[str, int], limit: int) -> dict[str, list[Row]]:
        return {topic: _rows(topic, limit, sequence__gt=last) for topic, last in after.items()}

    def between(self, topic: str, after: int, upto: int, limit: int) -> list[Row]:
        return _rows(topic, limit, sequence__gt=after, sequence__lte=upto)

    def last(self, topic: str) -> int:
        rows = RunEvent.objects.filter(run_id=_run_id(topic)).order_by("-sequence")
        return rows.values_list("sequence", flat=True).first() or 0


def _rows(topic: str, limit: int, **bounds: int) -> list[Row]:
    events = RunEvent.objects.filter(run_id=_run_id(topic), **bounds).order_by("sequence")
    return [_row(values) for values in events.values("sequence", "kind", "at", *FIELDS)[:limit]]


def _row(values: dict[str, Any]) -> Row:
    at = values["at"].isoformat().replace("+00:00", "Z")
    payload = {name: values[name] for name in FIELDS}
    return Row(sequence=values["sequence"], kind=values["kind"], at=at, payload=payload)


def _run_id(topic: str) -> int:
    return int(topic.partition(":")[2])


def may_follow_run(actor: Actor, name: str) -> bool:
    return _is_number(name) and Run.objects.visible_to(actor).filter(pk=int(name)).exists()


def may_follow_deployment(actor: Actor, name: str) -> bool:
    return _is_number(name) and Deployment.objects.visible_to(actor).filter(pk=int(name)).exists()


def _is_number(name: str) -> bool:
    """One spelling per row, else `run:7` and `run:07` were two topics."""
    return name.isascii() and name.isdigit() and not name.startswith("0") and len(name) < 19
