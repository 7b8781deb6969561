"""From what single looks found to the health of a check: fall, rise, suspect. Pure."""

from __future__ import annotations

import dataclasses
import zlib
from datetime import UTC, datetime, timedelta

from apps.monitoring.choices import Health
from apps.monitoring.models import Check
from apps.monitoring.probes import Finding

# Answers, though not good ones: they need no third look to be believed.
DETERMINISTIC = frozenset(
    {
        Health.AUTH_REQUIRED,
        Health.MISCONFIGURED,
        Health.INCOMPATIBLE,
        Health.PROTOCOL_ERROR,
    }
)
ALIVE = frozenset({Health.HEALTHY, Health.DEGRADED})
DOWN = DETERMINISTIC | {Health.UNREACHABLE}
LONG_DOWN, VERY_LONG_DOWN = timedelta(minutes=10), timedelta(hours=1)
# A real outage is known in seconds, and one lost packet changes nothing.
QUICK = (timedelta(seconds=2), timedelta(seconds=5))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The check after this look."""

    health: Health
    reason: str
    failures: int
    successes: int
    next_in: timedelta


def judge(check: Check, finding: Finding) -> Verdict:
    """
    `fall` failures in a row make it down (two, where the answer is definite), `rise` successes
    bring it back; in between it is suspect. A look that found nothing out changes no count.
    """
    interval = timedelta(seconds=check.interval)
    health = Health(check.health)
    if finding.found == Health.UNKNOWN:
        kept = health if health != Health.HEALTHY else Health.UNKNOWN
        return Verdict(
            kept, finding.reason, check.failures_in_a_row, check.successes_in_a_row, interval
        )
    if finding.found in ALIVE:
        successes = check.successes_in_a_row + 1
        was_down = health not in ALIVE | {Health.UNKNOWN, Health.SUSPECT}
        if was_down and successes < check.rise:
            left = f"Answers again ({successes} of {check.rise}). {check.health_reason}"
            return Verdict(health, left, 0, successes, QUICK[0])
        return Verdict(finding.found, finding.reason, 0, successes, interval)
    failures = check.failures_in_a_row + 1
    needed = min(2, check.fall) if finding.found in DETERMINISTIC else check.fall
    if failures >= needed:
        return Verdict(finding.found, finding.reason, failures, 0, interval)
    was_down = health not in ALIVE | {Health.UNKNOWN, Health.SUSPECT}
    shown = health if was_down else Health.SUSPECT
    reason = f"{failures} of {needed} missed. {finding.reason}"
    return Verdict(shown, reason, failures, 0, QUICK[min(failures, len(QUICK)) - 1])


def apply(check: Check, finding: Finding, at: datetime) -> bool:
    """Writes the verdict into the row object; True when the health itself changed."""
    verdict = judge(check, finding)
    changed = verdict.health != check.health
    if changed or check.health_since is None:
        check.health_since = at
    check.health, check.health_reason = verdict.health, verdict.reason[:300]
    check.failures_in_a_row = verdict.failures
    check.successes_in_a_row = min(verdict.successes, check.rise)
    check.last_checked_at = at
    check.latency_ms = finding.latency_ms
    if finding.found in ALIVE:
        check.last_healthy_at = at
    check.memory = finding.memory
    rest = resting(check, at)
    if rest > verdict.next_in:
        check.next_check_at = at + rest
    elif finding.wait > check.interval:
        check.next_check_at = at + timedelta(seconds=finding.wait)
    elif verdict.next_in < timedelta(seconds=check.interval):
        check.next_check_at = at + verdict.next_in
    else:
        check.next_check_at = slot_after(check, at)
    return changed


def resting(check: Check, at: datetime) -> timedelta:
    """
    How long what is long down is left alone: twice its interval after ten minutes, four times after
    an hour, never more than two minutes beyond it. Zero for everything else.
    """
    if check.health not in DOWN or check.successes_in_a_row or check.health_since is None:
        return timedelta(0)
    down, interval = at - check.health_since, timedelta(seconds=check.interval)
    if down < LONG_DOWN:
        return timedelta(0)
    factor = 4 if down > VERY_LONG_DOWN else 2
    return min(interval * factor, interval + timedelta(minutes=2))


def slot_after(check: Check, moment: datetime) -> datetime:
    """
    The check's next own moment: each has its place in the interval by a hash of its key, so that
    two thousand looks are spread over it, however they came into being.
    """
    interval = float(check.interval)
    place = zlib.crc32(str(check.pk).encode()) / 2**32 * interval
    passed = (moment.timestamp() - place) // interval
    return datetime.fromtimestamp((passed + 1) * interval + place, UTC)


def snapshot(check: Check) -> tuple[object, ...]:
    """
    What a look may have changed beside moments and latency; equal before and after means that the
    check is steady.
    """
    return (
        check.health,
        check.health_reason,
        check.health_since,
        check.failures_in_a_row,
        check.successes_in_a_row,
        check.memory,
    )
