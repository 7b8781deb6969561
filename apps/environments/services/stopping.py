"""The line stopped: one switch for every mutating run of the installation."""

from __future__ import annotations

from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Refused
from apps.core.permissions import Actor, check
from apps.environments.models import Stop
from apps.environments.recurrence import stated_reason, tell
from apps.environments.signals import line_released, line_stopped
from apps.environments.times import standing_stop

MALFORMED = "stop.malformed"


def stop_the_line(actor: Actor, *, reason: str) -> Stop:
    """
    From now on no mutating run begins anywhere; what is under way goes on to its end. Raises
    Refused (`line.stopped`) when it stands already.
    """
    check(actor, "stop_the_line")
    text = stated_reason(MALFORMED, reason)
    with transaction.atomic():
        try:
            with transaction.atomic():
                row = Stop.objects.create(reason=text, stopped_by=actor.name)
        except IntegrityError as error:
            held = standing_stop()
            by = f" by {held.stopped_by}: {held.reason}" if held else ""
            raise Refused("line.stopped", f"The line is stopped already{by}.") from error
        record(actor, "environments.line.stopped", row, reason=text)
        tell(None, "line.stopped")
        transaction.on_commit(partial(line_stopped.send_robust, sender=Stop, stop=row))
    return row


def lift_stop(actor: Actor, *, reason: str) -> Stop:
    """Lets runs begin again. Raises Refused (`line.running`) when nothing is stopped."""
    check(actor, "freeze")
    text = stated_reason(MALFORMED, reason)
    with transaction.atomic():
        row = standing_stop()
        lifted = row is not None and Stop.objects.filter(pk=row.pk, lifted_at=None).update(
            lifted_at=timezone.now(), lifted_by=actor.name, lifted_because=text
        )
        if row is None or not lifted:
            raise Refused("line.running", "The line is not stopped.")
        record(actor, "environments.line.released", row, reason=text)
        tell(None, "line.released")
        row.refresh_from_db()
        transaction.on_commit(partial(line_released.send_robust, sender=Stop, stop=row))
    return row
