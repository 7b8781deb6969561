"""The prober's pulse: counts ticks, and those that were late or never came."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import RoundTick

# Seconds between two ticks of the schedule.
PERIOD = 5.0


def note_tick(now: datetime | None = None) -> RoundTick:
    """Counts a tick that came now."""
    now = now or timezone.now()
    with transaction.atomic():
        row, made = RoundTick.objects.select_for_update().get_or_create(
            name="probe", defaults={"at": now, "ticks": 1}
        )
        if not made:
            waited = (now - row.at).total_seconds()
            row.ticks += 1
            row.late += waited > PERIOD * 1.5
            # A clock that was set back is no reason to count anything.
            row.missed += max(0, round(waited / PERIOD) - 1)
            row.at = now
            row.save()
    return row
