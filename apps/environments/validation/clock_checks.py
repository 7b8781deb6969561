"""The portal's own database has the time that leases and windows are counted in."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connection

from apps.environments.validation.database_checks import clock_item
from apps.environments.validation.registry import Item, Subject, environment_check, skipped


@environment_check(
    "clock", order=80, why="Leases, windows, freezes and due dates are counted in database time."
)
def clock(_subject: Subject) -> Iterator[Item]:
    if connection.vendor != "postgresql":
        yield skipped("clock.same", "Clock", "The portal's database has this host's own clock.")
        return
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        row = cursor.fetchone()
    assert row is not None
    middle = (before + time.time()) / 2
    yield clock_item(float(row[0]) - middle, "The clock of the portal's database")
