"""Keeps a run's claim alive and carries wishes to stop to the host, on a thread of its own."""

from __future__ import annotations

import threading
import time

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from apps.deployments import leases
from apps.deployments.choices import RUN_ACTIVE
from apps.deployments.engine import HostProcess
from apps.deployments.models import Run

log = structlog.get_logger(__name__)
TICK = 0.5
# The host ends by itself at its time limit; this much later it is taken to hang.
OVERTIME = 30.0
# From the second interrupt to SIGKILL.
LAST_WAIT = 10.0


class Keeper:
    """
    Every tick: is a stop asked for, is the claim to be renewed, is the time over. `killed` tells
    that the sessions were ended by force, `lost` that the claim is somebody else's.
    """

    def __init__(self, run: Run, host: HostProcess, *, time_limit: float, grace: float) -> None:
        self._run, self._host = run, host
        self._grace = grace
        self._end = time.monotonic() + time_limit + 2 * grace + OVERTIME
        self._stop = threading.Event()
        self._steps: list[float] = []
        self._renewed = time.monotonic()
        self.canceled = False
        self.killed = False
        self.lost = False
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """The host has ended; nothing is stopped any more. The claim is kept by the caller."""
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        try:
            while not self._stop.wait(TICK):
                try:
                    self._look()
                except DatabaseError as error:
                    # Locked or away: the claim is in database time, and nobody else can take it
                    # while the database does not answer.
                    log.warning("keeper.waits", run=self._run.pk, reason=str(error))
                    connection.close()
                self._escalate()
        finally:
            connection.close()

    def _look(self) -> None:
        row = Run.objects.filter(pk=self._run.pk).values("cancel_requested_at", "status", "fence")
        found = row.first()
        if found is None or found["fence"] != self._run.fence or found["status"] not in RUN_ACTIVE:
            self._give_up()
            return
        if found["cancel_requested_at"] is not None and not self.canceled:
            self.canceled = True
            self._begin()
        if time.monotonic() - self._renewed >= settings.RUN_RENEW_SECONDS:
            if leases.renew(self._run):
                self._renewed = time.monotonic()
            else:
                self._give_up()

    def _give_up(self) -> None:
        if not self.lost:
            self.lost = True
            log.warning("claim.lost", run=self._run.pk)
            self._begin()

    def _begin(self) -> None:
        """First interrupt now, the second after the grace, then the end by force."""
        if not self._steps:
            now = time.monotonic()
            self._steps = [now + self._grace, now + self._grace + LAST_WAIT]
            self._host.cancel()

    def _escalate(self) -> None:
        now = time.monotonic()
        if now >= self._end and not self._steps:
            self._begin()
        if not self._steps or now < self._steps[0]:
            return
        if len(self._steps) == 2:
            self._steps.pop(0)
            self._host.cancel()
        elif not self.killed:
            self.killed = True
            self._host.kill()
