"""Kinds that need no look outside: heartbeats, which a job sends, and the portal's own parts."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from apps.environments import cron
from apps.environments.calendar import find_zone
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut

PASSED = "passed"
# Seconds before its time that a call still counts for it: clocks differ.
EARLY = 60
parsed = functools.lru_cache(maxsize=1024)(cron.parse)


async def look_at_heartbeat(look: Look, finding: Finding) -> Finding:
    """
    `{"every"}` in seconds, or `{"cron", "zone"?: "UTC"}` in the clock of a place; with either
    `"grace"?: 60` seconds. `look.facts` has `called_at` and `since` (epoch).
    """
    wanted, now = look.parameters, time.time()
    called, grace = look.facts.get("called_at"), wanted.get("grace", 60)
    last = called or look.facts.get("since") or now
    words = f"last call {now - last:.0f} s ago" if called else "no call yet"
    due, pace = _due_after(last, wanted)
    late = now > due + grace
    finding.steps.append({"step": "call", "passed": not late, "ms": 0.0, "detail": words})
    finding.latency_ms = 0.0
    if late:
        return finding.conclude(
            Health.UNREACHABLE,
            f"The job is late: {words}, {pace} and {grace:g} s are granted. Look at the job's log.",
            "late",
        )
    if not called:
        return finding.conclude(Health.UNKNOWN, "The job has not called in yet.", "waiting")
    return finding.conclude(Health.HEALTHY)


def _due_after(last: float, wanted: Mapping[str, Any]) -> tuple[float, str]:
    """When the call after the `last` one is due (epoch), and how people are told."""
    if "every" in wanted:
        return last + wanted["every"], f"one is due every {wanted['every']:g} s"
    zone = wanted.get("zone", "UTC")
    found = parsed(wanted["cron"], zone).after(datetime.fromtimestamp(last + EARLY, UTC))
    if found is None:
        return math.inf, ""
    local = found.astimezone(find_zone(zone))
    return found.timestamp(), f"one was due at {local:%Y-%m-%d %H:%M} {zone} ({found:%H:%M} UTC)"


async def look_at_part(
    look: Look, finding: Finding, parts: Mapping[str, Callable[[], str]]
) -> Finding:
    """`{"part"}`: one of the portal's own, as it answers for itself."""
    part = look.parameters["part"]
    with finding.step(part) as rung:
        said = await asyncio.to_thread(parts[part])
        rung["detail"], rung["passed"] = cut(said), said == PASSED
    if said == PASSED:
        return finding.conclude(Health.HEALTHY)
    return finding.conclude(
        Health.UNKNOWN if said.startswith("unknown") else Health.UNREACHABLE,
        f"The portal's {part}: {cut(said, 200)}. Look at the page Operations and the log.",
        f"part_{part}",
    )
