"""
Do looks begin when they should? 2,000 targets at 10 s through real rounds with stored results: once
all well, once with 500 of them hanging, which count for nothing but the trouble they make.

Lateness is the begin of a look minus its own moment in the interval. Goals: p99 ≤ 3 % of the
interval for those that answer, ≤ 25 % of a core, none left out.

Usage: bench/schedule.py [SECONDS]   (from the repository's root, with PYTHONPATH=.)
"""

from __future__ import annotations

import pathlib
import shutil
import socket
import sys
import tempfile
import time
import zlib

from bench.probes import (
    Check,
    CheckResult,
    Environment,
    Prober,
    call_command,
    free_port,
    own_cpu,
    process,
    runner,
    timezone,
)

TARGETS, HANGING, INTERVAL, TICK = 2000, 500, 10, 5.0
NGINX = """daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen 0.0.0.0:{port}; location / {{ return 200 "well"; }} }} }}
"""
begun: list[tuple[int, float]] = []


def watch_begins() -> None:
    """Notes when each look begins, as close to the wire as the prober has a hand."""
    inner = Prober._one  # noqa: SLF001 - the moment to be measured

    async def one(self: Prober, look):  # noqa: ANN001, ANN202 - as the method it stands for
        begun.append((look.check_id, time.time()))
        return await inner(self, look)

    Prober._one = one  # noqa: SLF001 - the same


def place_of(key: int) -> float:
    return zlib.crc32(str(key).encode()) / 2**32 * INTERVAL


def bench(place: Environment, port: int, mute: int, hanging: int, seconds: float) -> None:
    from apps.monitoring.judging import slot_after

    Check.objects.all().delete()
    Check.objects.bulk_create(
        Check(
            environment=place,
            name=f"c{n}",
            kind="http",
            interval=INTERVAL,
            health="healthy",
            successes_in_a_row=2,
            parameters={
                "url": f"http://127.{1 if n < hanging else 2}.{n // 250}.{n % 250 + 1}"
                f":{mute if n < hanging else port}/"
            },
        )
        for n in range(TARGETS)
    )
    now = time.time()
    rows = list(Check.objects.all())
    for row in rows:
        row.next_check_at = slot_after(row, timezone.now())
    Check.objects.bulk_update(rows, ["next_check_at"], 500)
    well = {row.pk for row in rows if f":{port}/" in row.parameters["url"]}
    runner.run_round(TICK)  # settle: connections, caches
    time.sleep(TICK)
    begun.clear()
    cpu, now, threads = own_cpu(), time.time(), []
    while time.time() - now < seconds:
        threads.append(runner.run_round(TICK))
        time.sleep(max(0, now + TICK * len(threads) - time.time()))
    used, took = own_cpu() - cpu, time.time() - now
    seen = [(key, at) for key, at in begun if key in well and at < now + took]
    late = sorted((at - place_of(key)) % INTERVAL for key, at in seen)
    wanted = len(well) * took / INTERVAL
    for thread in threads:
        thread.join(30)
    p99 = late[int(len(late) * 0.99)]
    print(f"{TARGETS} targets, {hanging} hanging, {took:.0f} s: {len(seen)} of {wanted:.0f} looks")
    print(f"   lateness p50 {late[len(late) // 2] * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
          f" = {p99 / INTERVAL:.1%} of the interval   goal ≤ 3 %")  # fmt: skip
    print(f"   {used / took:.1%} of a core   goal ≤ 25 %; rows {CheckResult.objects.count()}")


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    call_command("migrate", verbosity=0)
    watch_begins()
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        print("left out: nginx is missing")
        return 0
    port, folder = free_port(), tempfile.mkdtemp(prefix="schedule-")
    file = pathlib.Path(folder) / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port))
    place = Environment.objects.create(
        slug="bench", name="Bench", tier="development", rank=1, colour="teal"
    )
    # Takes connections and says nothing, on every address of 127.0.0.0/8.
    with (
        socket.create_server(("0.0.0.0", 0), backlog=4096) as mute,
        process(nginx, "-c", str(file), port=port),
    ):
        for hanging in (0, HANGING):
            bench(place, port, mute.getsockname()[1], hanging, seconds)
    runner.finish_looks()
    return 0


if __name__ == "__main__":
    sys.exit(main())
