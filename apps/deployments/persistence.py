"""Writing on when the database is away for a while: locked, restarting, full."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
T = TypeVar("T")
# Longer than a lease: what the sweeper has decided meanwhile is seen by the fence.
PATIENCE = 120.0
PAUSE = 0.25


def persist(write: Callable[[], T], *, patience: float = PATIENCE) -> T:
    """
    Calls `write` again while the database does not answer. `write` is one whole transaction that
    may be repeated. Raises the last error after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() >= deadline or connection.in_atomic_block or is_lasting(error):
                raise
            if not told:
                log.warning("database.away", reason=str(error))
            told = True
            # A connection that failed once may never recover; the next try opens its own.
            connection.close()
            time.sleep(PAUSE)


def is_lasting(error: Exception) -> bool:
    """Whether waiting cannot help: the database answers, and lacks what is asked for."""
    return any(words in str(error) for words in ("no such table", "no such column"))
