"""
How long an event takes from the table to browsers, over a real web process and real sockets.

    python bench/stream.py [--sockets 200] [--rate 400] [--seconds 15]

A writer process stores events as a run process does (`bulk_create`, then a hint) and stamps each
with its time; a client process holds the sockets. Latency is from before the write to the arrival
of the frame at the client. Prints one line of figures per scenario; exits 1 when one is over its
goal, or when an event was lost or came twice.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import pathlib
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# (sockets, events per second, p99 goal in ms)
GOALS = [(1, 20, 50.0), (200, 400, 250.0)]
INGEST_GOAL = 2500


def prepare(home: pathlib.Path) -> None:
    os.environ.update(
        ORCHESTRA_HOME=str(home),
        DJANGO_SETTINGS_MODULE="tests.settings",
        DATABASE_URL=os.environ.get("DATABASE_URL", f"sqlite:///{home / 'bench.sqlite3'}"),
    )
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def make_run() -> tuple[int, str]:
    """A run to write to and a session that may follow it: (run id, session key)."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from apps.deployments.models import Run
    from apps.environments.models import Environment, Stack

    environment, _ = Environment.objects.get_or_create(
        slug="bench", name="Bench", tier="development", rank=1, colour="teal"
    )
    stack, _ = Stack.objects.get_or_create(environment=environment)
    run = Run.objects.create(stack=stack, operation="preview", requested_by="bench")
    name = f"bench-{secrets.token_hex(4)}"
    user = get_user_model().objects.create_superuser(name, password=secrets.token_hex())
    client = Client()
    client.force_login(user)
    return run.pk, client.session.session_key


def write(run: int, rate: int, seconds: float) -> int:
    """Stores `rate` events a second in batches of what 25 ms bring; returns how many."""
    from apps.deployments.models import RunEvent
    from apps.live.hints import wake_hubs

    begun, written = time.time(), 0
    while (passed := time.time() - begun) < seconds:
        due = int(passed * rate) - written
        if due > 0:
            store(RunEvent, run, written + 1, written + due)
            wake_hubs()
            written += due
        time.sleep(0.025)
    return written


def store(model: Any, run: int, first: int, last: int) -> None:
    from django.utils import timezone

    now = time.time()
    model.objects.bulk_create(
        model(
            run_id=run, sequence=number, at=timezone.now(), kind="diagnostic",
            type="orchestra:mcp:Server", message="x" * 150, detail={"t": now},
        )
        for number in range(first, last + 1)
    )  # fmt: skip


def ingest(run: int, count: int = 20_000, batch: int = 500) -> float:
    """Events per second that one writer stores, with its hints."""
    from apps.deployments.models import RunEvent
    from apps.live.hints import wake_hubs

    begun = time.perf_counter()
    for first in range(1, count, batch):
        store(RunEvent, run, first, first + batch - 1)
        wake_hubs()
    return count / (time.perf_counter() - begun)


@functools.lru_cache(maxsize=256)
def read(text: str) -> tuple[bool, list[tuple[int, float]]]:
    """Parsed once for all sockets: 200 browsers have 200 processors, this client has one."""
    data = json.loads(text)
    items = [(item["sequence"], item["payload"]["detail"]["t"]) for item in data.get("items", ())]
    return data["type"] == "heartbeat", items


async def listen(port: int, run: int, session: str, sockets: int) -> None:
    """The client process: says `ready`, then collects until `end <count>` comes on its input."""
    import aiohttp

    headers = {"Origin": f"http://127.0.0.1:{port}", "Cookie": f"portal_session={session}"}
    seen: list[list[int]] = [[] for _ in range(sockets)]
    delays: list[float] = []

    async def hold(http: Any, place: int) -> None:
        async with http.ws_connect(f"http://127.0.0.1:{port}/ws/live/", headers=headers) as line:
            await line.send_json({"type": "subscribe", "topic": f"run:{run}", "after": 0})
            ready.append(place)
            async for message in line:
                now = time.time()
                is_beat, items = read(message.data)
                if is_beat:
                    await line.send_json({"type": "pong"})
                for sequence, then in items:
                    seen[place].append(sequence)
                    delays.append(now - then)

    ready: list[int] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        tasks = [asyncio.create_task(hold(http, place)) for place in range(sockets)]
        while len(ready) < sockets:  # noqa: ASYNC110 - two hundred tasks report here
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        print("ready", flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        count = int(line)
        deadline = time.time() + 10
        while time.time() < deadline and any(len(own) < count for own in seen):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
    wanted = list(range(1, count + 1))
    wrong = sum(own != wanted for own in seen)
    print(json.dumps({"delays": delays, "wrong": wrong}), flush=True)


def processor_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def scenario(port: int, sockets: int, rate: int, seconds: float) -> tuple[float, float, int, int]:
    """(p50 ms, p99 ms, deliveries, sockets that lost or doubled something)."""
    run, session = make_run()
    command = [sys.executable, __file__, "--listen", str(port), str(run), session, str(sockets)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout.readline() == "ready\n"
        count = write(run, rate, seconds)
        client.stdin.write(f"{count}\n")
        client.stdin.flush()
        found = json.loads(client.stdout.readline())
    delays = sorted(1000 * delay for delay in found["delays"])
    return (
        statistics.median(delays), delays[int(len(delays) * 0.99)], len(delays), found["wrong"]
    )  # fmt: skip


def start_web() -> tuple[subprocess.Popen, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = subprocess.Popen(
        [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port),
         "orchestra_portal.asgi:application"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return web, port
    raise SystemExit("The web process never answered.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    goals = [(given.sockets, given.rate, 250.0)] if given.sockets else GOALS
    failed = False
    with tempfile.TemporaryDirectory(prefix="bench-stream-") as home:
        prepare(pathlib.Path(home))
        web, port = start_web()
        try:
            for sockets, rate, goal in goals:
                before = processor_seconds(web.pid)
                p50, p99, deliveries, wrong = scenario(port, sockets, rate, given.seconds)
                cost = 1e6 * (processor_seconds(web.pid) - before) / deliveries
                failed |= p99 > goal or wrong > 0
                print(
                    f"{sockets:4} sockets, {rate:4} events/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
                    f" (goal {goal:.0f}), {deliveries} deliveries, {wrong} sockets wrong,"
                    f" web {cost:.1f} µs per delivery, load {os.getloadavg()[0]:.1f}"
                )
        finally:
            web.terminate()
            web.wait(15)
        speed = ingest(make_run()[0])
        failed |= speed < INGEST_GOAL
        print(f"ingest: {speed:.0f} events/s (goal {INGEST_GOAL})")
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--listen"]:
        _, _, port_text, run_text, session_text, sockets_text = sys.argv
        asyncio.run(listen(int(port_text), int(run_text), session_text, int(sockets_text)))
    else:
        sys.exit(main())
