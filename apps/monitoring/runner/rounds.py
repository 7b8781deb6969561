"""
The rounds of this process. A beat tick opens a window; within it everything that falls due is
claimed a little ahead, looked at in its own moment, and recorded as findings arrive.

One thread does it, however many ticks and hints come: what hangs must hold nobody up, and the
worker's place is for others. It ends when the window is over and the last look is recorded.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.monitoring.probes import Finding, Found, Look, Prober, Ways
from apps.monitoring.runner.claiming import Claim, claim_due, release, renew, soonest_after
from apps.monitoring.runner.preparing import looks_of
from apps.monitoring.runner.recording import Ahead, record_batch

log = logging.getLogger(__name__)

# Seconds ahead of its moment that a look is claimed: one statement for all that fall due meanwhile,
# and a tick may come that much late. Claims are made anew when half of it is left.
AHEAD = 1.5
# Findings that come within this time are written in one transaction.
BATCH = 0.5
# The moment to claim when somebody asked: it has passed on every clock.
ASKED = 0.0
# Seconds between two attempts while the database is away, and how long what was found is kept.
AWAY, PATIENCE = 0.5, 120.0


class Rounds:
    """The looks under way in this process, and the thread that sees them through."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        # None wakes the thread: somebody asked for a look, or it is to end.
        self._found: Found = queue.SimpleQueue()
        self._claims: dict[int, Claim] = {}
        self._unwritten: list[tuple[Claim, Finding]] = []
        self._broke = False  # the last attempt to write it
        # On the monotonic clock: the end of the window, and when to claim. ASKED is at once.
        self._until = 0.0
        self._claim_at = ASKED
        self._closing = False

    def go_on(self, window: float) -> threading.Thread:
        """Looks at what is due now and, for `window` seconds, at what falls due."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + window)
            self._claim_at = ASKED
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rounds", daemon=True)
                self._thread.start()
            else:
                self._found.put(None)
            return self._thread

    def close(self) -> None:
        """Gives the looks under way their time, records what they found, and releases the rest."""
        with self._lock:
            self._closing, thread = True, self._thread
            self._found.put(None)
        if thread:
            thread.join(10)
        self._prober.close()
        with contextlib.suppress(queue.Empty):
            while True:
                if pair := self._found.get_nowait():
                    self._take(*pair)
        try:
            self._write()
            release(list(self._claims.values()))
        except DatabaseError as error:
            log.warning("Looks under way are left to their leases: %s", error)

    def _work(self) -> None:
        away = 0.0
        try:
            while self._goes_on():
                try:
                    self._turn()
                    away = 0.0
                except (OperationalError, InterfaceError) as error:
                    away = away or time.monotonic()
                    self._wait_for_database(error, time.monotonic() - away)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None
            connection.close()

    def _goes_on(self) -> bool:
        with self._lock:
            asked = self._claim_at == ASKED or self._until > time.monotonic()
            going = not self._closing and (asked or bool(self._claims))
            if not going:
                self._thread = None
            return going

    def _wait_for_database(self, error: Exception, passed: float) -> None:
        if passed > PATIENCE:
            self._claims.clear()
            self._unwritten.clear()
            raise error
        if not passed:
            log.warning("The database is away, what was found waits for it: %s", error)
        connection.close()
        time.sleep(AWAY)

    def _turn(self) -> None:
        if time.monotonic() >= self._claim_at:
            self._claim()
        self._keep()
        self._collect()
        self._write()

    def _claim(self) -> None:
        # Whoever asks from here on is heard in the next turn.
        self._claim_at = math.inf
        try:
            in_window = self._until > time.monotonic()
            ahead = AHEAD if in_window else 0.0
            now = timezone.now()
            claims = claim_due(ahead, self._claims)
            looks = looks_of(claims)
            self._claims |= {claim.row.pk: claim for claim in claims}
            self._prober.start(looks, self._found)
            if in_window:
                self._claim_for(soonest_after(now + timedelta(seconds=ahead)))
        except DatabaseError:
            self._claim_at = ASKED
            raise

    def _claim_for(self, moment: datetime | None) -> None:
        """Has what falls due at a moment claimed well before it, if that is within the window."""
        if moment is None:
            return
        now = time.monotonic()
        at = max(now, now + (moment - timezone.now()).total_seconds() - AHEAD / 2)
        with self._lock:
            if at < self._until:
                self._claim_at = min(self._claim_at, at)

    def _keep(self) -> None:
        """Renews the leases that end before their looks."""
        soon = timezone.now() + timedelta(seconds=AHEAD)
        if ending := [claim for claim in self._claims.values() if claim.until < soon]:
            self._claims |= {claim.row.pk: claim for claim in renew(ending)}

    def _collect(self) -> None:
        """What is found until there is something else to do, and what soon follows the first."""
        now = time.monotonic()
        # Leases are looked after each second.
        until = min(self._claim_at, now + 1.0 if self._claims else max(now, self._until))
        with contextlib.suppress(queue.Empty):
            while not self._claims or len(self._unwritten) < len(self._claims):
                pair = self._found.get(timeout=max(0.0, until - time.monotonic()))
                if pair is None:
                    return
                if not self._unwritten:
                    until = time.monotonic() + BATCH
                self._take(*pair)

    def _take(self, look: Look, finding: Finding) -> None:
        if claim := self._claims.get(look.check_id):
            self._unwritten.append((claim, finding))

    def _write(self) -> None:
        if not self._unwritten:
            return
        again, self._broke = self._broke, True
        try:
            ahead = record_batch(self._unwritten, again=again)
        except (OperationalError, InterfaceError):
            raise
        except DatabaseError:
            ahead = self._write_singly()
        self._broke = False
        for claim, _ in self._unwritten:
            self._claims.pop(claim.row.pk, None)
        self._unwritten.clear()
        self._claim_for(ahead.soonest)
        if ahead.asked:
            self._claim_at = ASKED

    def _write_singly(self) -> Ahead:
        """One finding that the database does not take must not cost the others theirs."""
        single = []
        for claim, finding in self._unwritten:
            try:
                single.append(record_batch([(claim, finding)], again=True))
            except (OperationalError, InterfaceError):
                raise
            except DatabaseError:
                log.exception("A look at check %s could not be recorded.", claim.row.pk)
        soonest = min((ahead.soonest for ahead in single if ahead.soonest), default=None)
        return Ahead(soonest, any(ahead.asked for ahead in single))


_of_process: list[Rounds] = []
_making = threading.Lock()


def run_round(window: float = 5.0) -> threading.Thread:
    """
    Begins a round and returns at once; the thread ends when the window is over and everything
    found is recorded.
    """
    with _making:
        if not _of_process:
            _of_process.append(Rounds(Prober(ways())))
        return _of_process[0].go_on(window)


def finish_looks() -> None:
    """Lets the looks of this process end; the next round makes a new prober."""
    with _making:
        while _of_process:
            _of_process.pop().close()


def ways() -> Ways:
    """To what this machine's looks turn. The portal's parts answer for themselves, in threads."""
    parts = import_string(settings.PORTAL_PARTS)
    return Ways(
        settings.SUPERVISOR_SOCKET,
        settings.CONTAINER_SOCKET,
        {name: partial(_ask_part, part) for name, part in parts.items()},
    )


def _ask_part(part: Callable[[], str]) -> str:
    try:
        return part()
    finally:
        connection.close()
