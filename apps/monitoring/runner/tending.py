"""What the checks and the clock say about incidents, asked again by the sweeper."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.monitoring.choices import TROUBLE, IncidentSource
from apps.monitoring.incidents import follow, note, thing_of
from apps.monitoring.models import Check, Incident
from apps.monitoring.outbox import tell


def tend_incidents() -> int:
    """Makes good what nobody followed, and wakes what was silenced; how many things."""
    sick = Check.objects.enabled().filter(health__in=sorted(TROUBLE))
    wrong = {
        (row.environment_id, thing_of(row.name)): row.environment
        for row in sick.select_related("environment")
    }
    rows = Incident.objects.open().filter(source=IncidentSource.CHECK)
    known = {
        (row.environment_id, row.thing): row.environment
        for row in rows.select_related("environment")
    }
    differing = wrong.keys() ^ known.keys()
    for key in differing:
        with transaction.atomic():
            follow(wrong.get(key) or known[key], key[1])
    return len(differing) + end_silences()


def end_silences() -> int:
    """Tells again of what is still in trouble when its silence is over."""
    over = Incident.objects.open().filter(silenced_until__lte=timezone.now())
    count = 0
    for row in over.select_related("environment"):
        with transaction.atomic():
            same = Incident.objects.open().filter(pk=row.pk, silenced_until=row.silenced_until)
            if same.update(silenced_until=None, silenced_by=""):
                row.silenced_until = None
                note(row, "unsilenced", "The silence is over.")
                tell(row, "reminder")
                count += 1
    return count
