"""
Recorded probes per CPU-second, as ratios in one run.

- HTTP: the portal's looks, written to the database as an installation does, over Debian's blackbox
  exporter (`prometheus-blackbox-exporter`) asked over HTTP; goal ≥ 1.5. Both open a new connection
  to the same nginx for each probe; five pairs are taken in turn.
- HTTPS: the same with a full handshake each (RSA-2048, no resumption; the portal verifies the
  certificate, the exporter does not); goal ≥ 0.75. Both are left out, with a line, where nginx
  or the exporter is missing.
- MCP: CPU of one look (era, liveness, listing of tools) over CPU of the official SDK client that
  connects, lists and closes; goal ≤ 0.10.

Usage: bench/probes.py [LOOKS]   (from the repository's root, with PYTHONPATH=.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import queue
import resource
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
import django

django.setup()

from django.core.management import call_command  # noqa: E402 - needs the settings
from django.utils import timezone  # noqa: E402 - the same

from apps.core import safe_http  # noqa: E402 - the same
from apps.core.addresses import parse_rules  # noqa: E402 - the same
from apps.environments.models import Environment  # noqa: E402 - the same
from apps.monitoring.models import Check, CheckResult  # noqa: E402 - the same
from apps.monitoring.probes import Look, Prober  # noqa: E402 - the same
from apps.monitoring.runner import rounds as runner  # noqa: E402 - the same
from tests.servers import free_port  # noqa: E402 - the same

HERE = parse_rules([("127.0.0.0/8", [])])
TICKS = os.sysconf("SC_CLK_TCK")
# The portal looks at one host with two requests at a time: 32 of them make its 64 in flight.
HOSTS = 32
PAIRS = 5
NGINX = """daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
ssl_session_cache off; ssl_session_tickets off;
server {{ {listen} location / {{ return 200 "all systems go"; }} }} }}
"""


@contextlib.contextmanager
def process(*command: str, port: int, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers on its port, ended afterwards."""
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **more}
    )
    try:
        asyncio.run(answers(port))
        yield started
    finally:
        started.terminate()
        started.wait(10)


async def answers(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise SystemExit(f"Nothing answers on port {port}.")


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def make_checks(name: str, urls: list[str], looks: int) -> None:
    """Checks of the bench's environment, in place of those before."""
    place, _ = Environment.objects.get_or_create(
        slug="bench", defaults={"name": "Bench", "tier": "development", "rank": 1, "colour": "teal"}
    )
    Check.objects.all().delete()
    Check.objects.bulk_create(
        Check(
            environment=place,
            name=f"{name}{number}",
            kind="http",
            parameters={"url": urls[number % HOSTS]},
        )
        for number in range(looks)
    )


def portal_http(looks: int) -> float:
    """Recorded looks per CPU-second of this process: claim, look, judge, write."""
    Check.objects.update(next_check_at=timezone.now())
    CheckResult.objects.all().delete()
    began = own_cpu()
    runner.run_round(0).join()
    used = own_cpu() - began
    assert CheckResult.objects.filter(found="healthy").count() == looks
    return looks / used


@contextlib.contextmanager
def exporter() -> Iterator[tuple[int, str]]:
    """A blackbox exporter on one core: its pid, and the address to ask."""
    port = free_port()
    configuration = pathlib.Path(tempfile.mkdtemp()) / "blackbox.yml"
    configuration.write_text(
        "modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n"
        "    http: {tls_config: {insecure_skip_verify: true}}\n"
    )
    with process(
        "prometheus-blackbox-exporter",
        f"--config.file={configuration}",
        f"--web.listen-address=127.0.0.1:{port}",
        port=port,
        GOMAXPROCS="1",
    ) as started:
        yield started.pid, f"http://127.0.0.1:{port}/probe?module=http_2xx&target="


def exporter_http(pid: int, url: str, looks: int) -> float:
    """Probes per CPU-second of the exporter, 32 asked at a time."""
    began = cpu_of(pid)
    asyncio.run(ask_many(url, looks))
    return looks / (cpu_of(pid) - began)


async def ask_many(url: str, count: int) -> None:
    import aiohttp

    slots = asyncio.Semaphore(32)
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with slots, session.get(url) as answer:
                assert b"probe_success 1" in await answer.read()

        await asyncio.gather(*(one() for _ in range(count)))


def portal_mcp(url: str, looks: int) -> float:
    """CPU seconds of one look with a listing."""
    prober = Prober()
    found: queue.SimpleQueue[object] = queue.SimpleQueue()
    prober.start([Look(0, "mcp", {"url": url}, rules=HERE)], found)
    found.get()
    began = own_cpu()
    for number in range(looks):
        prober.start(
            [Look(number, "mcp", {"url": url}, memory={"era": "modern"}, rules=HERE)], found
        )
        assert found.get()[1].tools  # type: ignore[index]  # a pair of look and finding
    used = own_cpu() - began
    prober.close()
    return used / looks


def sdk_mcp(url: str, looks: int) -> float:
    """CPU seconds of the official client that connects, lists and closes."""
    from mcp import Client

    async def act() -> float:
        async def one() -> None:
            async with Client(url) as client:
                assert (await client.list_tools()).tools

        await one()
        began = own_cpu()
        for _ in range(looks):
            await one()
        return (own_cpu() - began) / looks

    return asyncio.run(act())


def certificate(folder: str) -> ssl.SSLContext:
    """A self-signed RSA certificate for all the hosts in `folder`, and a context that trusts it."""
    names = ",".join(f"IP:127.0.0.{number}" for number in range(1, HOSTS + 1))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=bench", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return ssl.create_default_context(cafile=f"{folder}/cert.pem")


def bench_http(looks: int) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None or shutil.which("prometheus-blackbox-exporter") is None:
        print("HTTP    left out: nginx or prometheus-blackbox-exporter is missing")
        return
    folder, plain, safe = tempfile.mkdtemp(prefix="probes-"), free_port(), free_port()
    trusting = certificate(folder)
    safe_http.default_tls = lambda: trusting
    file = pathlib.Path(folder) / "nginx.conf"
    hosts = [f"127.0.0.{number}" for number in range(1, HOSTS + 1)]
    listen = " ".join(f"listen {host}:{plain}; listen {host}:{safe} ssl;" for host in hosts)
    file.write_text(NGINX.format(folder=folder, listen=listen))
    with process(nginx, "-c", str(file), port=plain), exporter() as (pid, ask):
        for title, urls, goal in (
            ("HTTP ", [f"http://{host}:{plain}/" for host in hosts], 1.5),
            ("HTTPS", [f"https://{host}:{safe}/" for host in hosts], 0.75),
        ):
            make_checks(title.strip(), urls, looks)
            portal_http(looks)  # the first look at each: every one a change
            exporter_http(pid, ask + urls[0], 200)
            pairs = [
                (portal_http(looks), exporter_http(pid, ask + urls[0], looks)) for _ in range(PAIRS)
            ]
            tell(title, pairs, goal)


def tell(title: str, pairs: list[tuple[float, float]], goal: float) -> None:
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    print(
        f"{title}   portal {ours:,.0f} recorded looks per CPU-second, exporter {theirs:,.0f} probes"
    )
    print(
        f"        ratio {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f},"
        f" {len(pairs)} pairs taken in turn)   goal ≥ {goal}"
    )


def bench_mcp(looks: int) -> None:
    port = free_port()
    script = pathlib.Path(__file__).parents[1] / "tests" / "monitoring" / "sdk_server.py"
    with process(sys.executable, str(script), str(port), port=port):
        url = f"http://127.0.0.1:{port}/mcp"
        ours, theirs = portal_mcp(url, looks), sdk_mcp(url, looks)
    print(f"MCP     portal {ours * 1000:.2f} ms of CPU per look, SDK client {theirs * 1000:.2f} ms")
    print(f"        ratio {ours / theirs:.3f}   goal ≤ 0.10")


def main() -> int:
    looks = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    call_command("migrate", verbosity=0)
    bench_http(looks)
    bench_mcp(max(looks // 20, 20))
    runner.finish_looks()
    return 0


if __name__ == "__main__":
    sys.exit(main())
