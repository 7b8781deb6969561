"""
Two portals with a database each, one with few rows and one with many, that answer in turn.

What disturbs the machine disturbs both alike, so their ratio holds still where their times do not.
A side is this file as a process: it reads one JSON list `[verb, …]` a line and writes one JSON
value a line. Verbs: `fill`, `trim` (label of a model, rows), `time` (address) in milliseconds,
`looks` (label) and `api` for what there is to look at.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Side:
    """A portal of its own. `database` is a URL; none is a file of SQLite."""

    def __init__(self, database: str = "") -> None:
        home = tempfile.mkdtemp(prefix="pages-")
        given = {"ORCHESTRA_HOME": home, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        given |= {"PYTHONPATH": str(ROOT), "PORTAL_LOG_LEVEL": "CRITICAL"}
        if database:
            given["DATABASE_URL"] = database
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**kept, **given}, cwd=ROOT,
        )  # fmt: skip

    def ask(self, *words: Any) -> Any:
        """Raises RuntimeError with what the side says when it cannot."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the side has ended"}')
        if isinstance(answer, dict) and "error" in answer:
            message = f"{words}: {answer['error']}"
            raise RuntimeError(message)
        return answer

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Medians in milliseconds, and the ratios of the pairs: median, first and third quartile."""

    few: float
    many: float
    middle: float
    low: float
    high: float


def compare(few: Side, many: Side, address: str, pairs: int) -> Ratio:
    """Asks both in turn, after an answer of each that counts for nothing."""
    first, second = [], []
    for side in (few, many):
        side.ask("time", address)
    for _ in range(pairs):
        first.append(few.ask("time", address))
        second.append(many.ask("time", address))
    ratios = [after / before for before, after in zip(first, second, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    one, two = statistics.median(first), statistics.median(second)
    return Ratio(one, two, two / one, low, high)


def serve() -> None:
    import django

    django.setup()
    from django.apps import apps
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from bench.filling import looks, rows

    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))

    def timed(address: str) -> float:
        begun = time.perf_counter()
        answer = client.get(address)
        taken = (time.perf_counter() - begun) * 1000
        if answer.status_code != 200:
            message = f"status {answer.status_code}"
            raise RuntimeError(message)
        return taken

    verbs = {
        "fill": lambda label, count: rows.fill(apps.get_model(label), count),
        "trim": lambda label, count: rows.trim(apps.get_model(label), count),
        "time": timed,
        "looks": lambda label: looks.of_list(apps.get_model(label)),
        "lists": looks.lists,
        "api": looks.of_api,
    }
    for line in sys.stdin:
        verb, *words = json.loads(line)
        try:
            answer = verbs[verb](*words)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other process says it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
