"""The schedule's rows, read without asking before every tick whether they have changed."""

import time

from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler


class Scheduler(DatabaseScheduler):  # type: ignore[misc] # the package is not typed
    """Asks once in a loop's interval; what somebody changes in the admin holds that much later."""

    _asked = float("-inf")

    def schedule_changed(self) -> bool:
        """True when rows have changed since this was last asked."""
        now = time.monotonic()
        if now - self._asked < settings.CELERY_BEAT_MAX_LOOP_INTERVAL:
            return False
        self._asked = now
        return bool(super().schedule_changed())
