"""
Does the portal heal by itself? PostgreSQL, Redis, worker, beat and web run for real, and looks and
a browser's stream go on while Redis is emptied, PostgreSQL is restarted, and the worker is killed.

Healed is when every check has a result that began after the fault (after its end, for PostgreSQL,
which is away for two seconds). Goals: ≤ 10 s each; no recorded result lost; nothing but *healthy*
found, no incident; every message heard once, in order. A worker's start is part of its healing: on
a busy machine it is most of it.

Usage: bench/healing.py [FILE]   (from the repository's root, with PYTHONPATH=.; FILE gets JSON)
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.parts import find_postgres, on_path
from tests.servers import prepared_postgres, run_redis

CHECKS, INTERVAL, AWAY, GOAL, LIMIT = 40, 2, 2.0, 10.0, 90.0
CELERY = [sys.executable, "-m", "celery", "--quiet", "--app"]
WORKER = [*CELERY, "orchestra_portal.celery:app", "worker", "--pool", "threads"]
WORKER += ["--concurrency", "4", "--loglevel", "WARNING"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
BEAT = [*CELERY, "orchestra_portal.beat:app", "beat", "--loglevel", "WARNING", "--pidfile", ""]


class Kept:
    """A program that is started again when it ends, as supervisord does."""

    def __init__(self, command: list[str], log: pathlib.Path) -> None:
        self.command, self.log, self.starts = command, log, 0
        self._over = threading.Event()
        self._start()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _start(self) -> None:
        settings = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchestra_portal.settings"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=settings, stdout=log, stderr=log)
        self.starts += 1

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            if self.process.poll() is not None:
                self._start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Speaker(threading.Thread):
    """Announces a number five times a second, whatever the database does."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def run(self) -> None:
        from django.db import DatabaseError, connection, transaction

        from apps.live.services import announce

        number = 0
        while not self.over.wait(0.2):
            try:
                with transaction.atomic():
                    announce("fleet", "bench.spoke", number=number)
                number += 1
            except DatabaseError:
                connection.close()
        connection.close()


def again(ask: Callable[[], Any]) -> Any:
    """The answer of the database, also when a restart has cut our own connection."""
    from django.db import DatabaseError, connection

    until = time.monotonic() + LIMIT
    while True:
        try:
            return ask()
        except DatabaseError:
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def seconds_until_healed(since: float) -> float:
    """Until each check has a result that is later than `since`."""
    from datetime import UTC, datetime

    from apps.monitoring.models import CheckResult

    rows = CheckResult.objects.filter(at__gt=datetime.fromtimestamp(since, UTC)).order_by()
    while again(lambda: rows.values("check_row").distinct().count()) < CHECKS:
        if time.time() - since > LIMIT:
            raise SystemExit(f"Not healed within {LIMIT:.0f} s.")
        time.sleep(0.1)
    return time.time() - since


def make_checks(url: str) -> None:
    from django.utils import timezone

    from apps.environments.models import Environment
    from apps.monitoring.models import Check

    place = Environment.objects.create(
        slug="bench", name="Bench", tier="development", rank=1, colour="teal"
    )
    Check.objects.bulk_create(
        Check(
            environment=place,
            name=f"c{number}",
            kind="http",
            interval=INTERVAL,
            parameters={"url": url},
            next_check_at=timezone.now(),
        )
        for number in range(CHECKS)
    )


def empty_redis(url: str) -> float:
    import socket

    host, port = url.removeprefix("redis://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port)), 5) as line:
        line.sendall(b"FLUSHALL\r\n")
        assert line.recv(100).startswith(b"+OK")
    return time.time()


@contextlib.contextmanager
def following() -> Iterator[Callable[[], list[int]]]:
    """A browser that follows the stream while somebody speaks; gives the numbers it has heard."""
    from django.contrib.auth import get_user_model

    from tests.live.web import Browser, Web

    web = Web()
    browser = Browser(web)
    user = get_user_model().objects.create_superuser("bench")
    line = browser.open(user).follow("fleet")
    speaker = Speaker()
    speaker.start()

    def heard() -> list[int]:
        speaker.over.set()
        speaker.join()
        numbers = []
        with contextlib.suppress(TimeoutError):
            while True:
                message = line.hear(3, skip=("heartbeat", "subscribed"))
                numbers += [
                    item["payload"]["number"]
                    for item in message["items"]
                    if item["kind"] == "bench.spoke"
                ]
        return numbers

    try:
        yield heard
    finally:
        speaker.over.set()
        browser.close()
        web.stop()


def bench(redis: str, restart: Callable[[], float], home: pathlib.Path) -> dict[str, Any]:
    from apps.live.models import Message
    from apps.monitoring.models import Check, CheckResult, Incident
    from tests.monitoring.hostile import Server, status

    server = Server(status(200))
    make_checks(server.url)
    kept = [Kept(WORKER, home / "worker.log"), Kept(BEAT, home / "beat.log")]

    def kill() -> float:
        kept[0].process.kill()
        return time.time()

    faults = {
        "Redis emptied": lambda: empty_redis(redis),
        "PostgreSQL restarted": restart,
        "worker killed": kill,
    }
    healed, lost = {}, 0
    try:
        started = seconds_until_healed(time.time())
        with following() as heard:
            for name, fault in faults.items():
                before = set(CheckResult.objects.values_list("pk", flat=True))
                healed[name] = seconds_until_healed(fault())
                lost += len(before - set(CheckResult.objects.values_list("pk", flat=True)))
            numbers = heard()
        spoken = Message.objects.filter(kind="bench.spoke").order_by("pk")
        return {
            "started": started,
            "healed": healed,
            "lost": lost,
            "results": CheckResult.objects.count(),
            "not_healthy": CheckResult.objects.exclude(found="healthy").count(),
            "down": Check.objects.exclude(health="healthy").count(),
            "incidents": Incident.objects.count(),
            "spoken": [row.payload["number"] for row in spoken],
            "heard": numbers,
            "starts": [program.starts for program in kept],
        }
    finally:
        for program in kept:
            program.stop()
        server.close()


def tell(found: dict[str, Any]) -> None:
    print(f"{CHECKS} checks each {INTERVAL} s, looked at {found['started']:.1f} s after a start")
    for name, seconds in found["healed"].items():
        print(f"   {name:22} healed after {seconds:4.1f} s   goal ≤ {GOAL:.0f} s")
    print(
        f"   {found['results']} results, {found['lost']} lost, {found['not_healthy']} not healthy,"
        f" {found['down']} checks not well, {found['incidents']} incidents"
    )
    same = "all once and in order" if found["heard"] == found["spoken"] else "NOT THE SAME"
    print(f"   {len(found['spoken'])} messages, {len(found['heard'])} heard: {same}")


def main() -> int:
    programs, redis = find_postgres(), on_path("redis-server")
    if not programs or not redis:
        print("left out: PostgreSQL or Redis is missing")
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="healing-", ignore_cleanup_errors=True) as home,
        prepared_postgres(pathlib.Path(programs)) as (postgres, start),
        run_redis(redis) as url,
        contextlib.ExitStack() as running,
    ):
        running.enter_context(start())
        os.environ |= {
            "DATABASE_URL": postgres.create_database("healing"),
            "CELERY_BROKER_URL": url,
            "ORCHESTRA_HOME": home,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)

        def restart() -> float:
            running.close()
            time.sleep(AWAY)
            running.enter_context(start())
            return time.time()

        found = bench(url, restart, pathlib.Path(home))
        connections.close_all()
    tell(found)
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
