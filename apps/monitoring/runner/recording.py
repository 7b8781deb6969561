"""What looks found becomes rows: results, the state of the checks that moved, messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from apps.live.services import announce
from apps.monitoring.choices import CheckKind
from apps.monitoring.incidents import follow, thing_of
from apps.monitoring.judging import apply, slot_after, snapshot
from apps.monitoring.models import Check, CheckResult
from apps.monitoring.probes import Finding
from apps.monitoring.runner.claiming import Claim
from apps.monitoring.signals import tools_listed

Looked = Sequence[tuple[Claim, Finding]]
WRITTEN = [
    "health",
    "health_reason",
    "health_since",
    "failures_in_a_row",
    "successes_in_a_row",
    "last_checked_at",
    "last_healthy_at",
    "latency_ms",
    "memory",
    "next_check_at",
]
ROUNDING = timedelta(milliseconds=1)


class Ahead(NamedTuple):
    """When the first of some checks is looked at next, and whether somebody asked for a look."""

    soonest: datetime | None = None
    asked: bool = False


def record_batch(findings: Looked, *, again: bool = False) -> Ahead:
    """
    Results, the state of the checks that moved, and messages for those whose health changed: one
    transaction. A steady check costs its share of one UPDATE. Say `again` after an attempt that
    broke: the rows in hand were changed by it and are read anew.
    """
    with transaction.atomic():
        rows = _current([claim for claim, _ in findings], again=again)
        looked: list[tuple[int, datetime, Finding]] = []
        steady: list[Check] = []
        moved: list[Check] = []
        changed: list[tuple[Check, object]] = []
        asked = False
        for claim, finding in findings:
            row = rows.get(claim.row.pk)
            if row is None:
                continue  # removed, switched off or made another while we looked
            # Never before its own moment, so that the next one is another, whatever the rounding.
            at = max(datetime.fromtimestamp(finding.ended, UTC), claim.moment + ROUNDING)
            before, wanted = snapshot(row), row.next_check_at
            if apply(row, finding, at):
                changed.append((row, before[0]))
            asked |= _plan(row, wanted, claim)
            (steady if snapshot(row) == before else moved).append(row)
            looked.append((row.pk, at, finding))
            if finding.tools is not None:
                transaction.on_commit(partial(_tell, row, finding.tools), robust=True)
        Check.objects.write(moved, WRITTEN)
        Check.objects.pace(steady)
        CheckResult.objects.append(looked)
        for row, was in changed:
            follow(row.environment, thing_of(row.name))
            announce_change(row, was)
    soonest = min((row.next_check_at for row in moved + steady if row.next_check_at), default=None)
    return Ahead(soonest, asked)


def _current(claims: Sequence[Claim], *, again: bool) -> dict[int, Check]:
    """
    The rows as they are now, locked. One whose lease nobody touched is as we took it: whatever
    changes a check makes it due, and whoever records a look holds its lease.
    """
    known = {claim.row.pk: claim for claim in claims}
    locked = Check.objects.enabled().select_for_update().filter(pk__in=known).order_by("pk")
    rows, touched = {}, []
    for key, until in locked.values_list("pk", "next_check_at"):
        if until == known[key].until and not again:
            rows[key] = known[key].row
            rows[key].next_check_at = until
        else:
            touched.append(key)
    if touched:
        fresh = Check.objects.select_related("environment").in_bulk(touched)
        for key, row in fresh.items():
            asked, now = known[key].row, row
            if (asked.kind, asked.parameters) == (now.kind, now.parameters):
                rows[key] = row
    return rows


def _plan(row: Check, wanted: datetime | None, claim: Claim) -> bool:
    """Puts the next look where it belongs. True when somebody asked for one meanwhile."""
    if wanted and wanted < claim.until:
        row.next_check_at = wanted
        if row.kind == CheckKind.MCP:
            row.memory.pop("deep_at", None)
        return True
    if row.next_check_at and row.next_check_at < (now := timezone.now()):
        row.next_check_at = slot_after(row, now)  # its moment passed while the batch was filled
    return False


def _tell(row: Check, tools: dict[str, dict[str, Any]]) -> None:
    tools_listed.send_robust(sender=Check, check=row, tools=tools)


def announce_change(row: Check, before: object) -> None:
    """Every page that shows this check hears of it."""
    slug = row.environment.slug
    said = {"check": row.pk, "name": row.name, "health": row.health, "before": before}
    for topic in (f"environment:{slug}", "monitoring", "fleet"):
        announce(topic, "check.changed", environment=slug, **said)
    if row.source == "deployment" and row.kind in ("mcp", "process"):
        server = row.name.removesuffix(" process")
        announce(f"mcp:{slug}-{server}", "check.changed", environment=slug, **said)
