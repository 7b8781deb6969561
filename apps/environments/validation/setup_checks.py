"""The installation itself: database, keys, home, disk, schedule."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.environments.validation.registry import (
    Installation,
    Item,
    failed,
    passed,
    setup_check,
    unknown,
    warning,
)
from apps.live.models import Tick

GIGABYTE = 2**30
LEAST_FREE = GIGABYTE
LATE = timedelta(seconds=60)


@setup_check("database", order=10, why="The database is the only truth the portal has.")
def database(_portal: Installation) -> Iterator[Item]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield failed(
            "setup.migrations",
            "Database",
            f"{len(waiting)} migrations wait, the first is {waiting[0][0]}.",
            "Run `manage.py migrate`.",
        )
    else:
        yield passed("setup.migrated", "Database", f"{connection.vendor}, all migrations applied.")


@setup_check("home", order=20, why="Runs, keys, state and databases of environments live there.")
def home(portal: Installation) -> Iterator[Item]:
    if not os.access(portal.home, os.W_OK | os.X_OK):
        yield failed(
            "setup.home",
            "Home",
            f"{portal.home} is not writable.",
            "Make ORCHESTRA_HOME a folder of the portal's user.",
        )
        return
    free = shutil.disk_usage(portal.home).free
    words = f"{free / GIGABYTE:.1f} GiB are free at {portal.home}."
    if free < LEAST_FREE:
        yield failed("setup.disk", "Disk", words, "Free at least 1 GiB on that disk.")
    else:
        yield passed("setup.disk_free", "Disk", words)


@setup_check("keys", order=30, why="Whoever reads the keys reads every secret.")
def keys(portal: Installation) -> Iterator[Item]:
    files = [
        portal.home / "secrets" / "secret_key",
        portal.home / "secrets" / "field_keys",
        Path(settings.PULUMI_PASSPHRASE_FILE),
    ]
    there = [file for file in files if file.exists()]
    loose = [file for file in there if stat.S_IMODE(file.stat().st_mode) & 0o077]
    for file in loose:
        yield failed(
            "setup.key_readable",
            "Keys",
            f"{file} can be read by others (mode {stat.S_IMODE(file.stat().st_mode):o}).",
            f"Run `chmod 600 {file}`, and make new keys if others had an account here.",
        )
    if not loose and there:
        yield passed("setup.keys", "Keys", f"{len(there)} key files are their owner's alone.")
    elif not there:
        yield passed("setup.keys_elsewhere", "Keys", "The keys come from the environment.")
    if len(settings.SECRET_KEY) < 50:
        yield failed(
            "setup.secret_key",
            "Keys",
            f"The secret key has {len(settings.SECRET_KEY)} characters.",
            "Make one of at least 50 random characters.",
        )


@setup_check("schedule", order=40, why="Without ticks nothing is watched and no lost run found.")
def schedule(_portal: Installation) -> Iterator[Item]:
    tick = Tick.objects.filter(name="schedule").first()
    if tick is None:
        yield unknown(
            "setup.no_tick",
            "Schedule",
            "No tick has come round yet.",
            "Start beat and a worker: `make run` does.",
        )
        return
    age = timezone.now() - tick.at
    if age > LATE:
        yield warning(
            "setup.late_tick",
            "Schedule",
            f"The last tick came {round(age.total_seconds())} s ago.",
            "Look whether beat and a worker run.",
        )
    else:
        yield passed("setup.ticks", "Schedule", "Beat and a worker are at work.")
