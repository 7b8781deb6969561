"""
One asyncio loop in a thread of its own, one HTTP session on one TLS context, many looks in flight.

A TLS context costs 40 ms of CPU, so there is one for the process, not one for each look.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import queue
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from apps.core.addresses import PUBLIC_ONLY, AddressRefused, Rules
from apps.core.safe_http import default_tls
from apps.monitoring.choices import CheckKind, Health
from apps.monitoring.probes.container import look_at_container
from apps.monitoring.probes.failures import explain
from apps.monitoring.probes.finding import Finding, Look
from apps.monitoring.probes.local import look_at_disk, look_at_name
from apps.monitoring.probes.mcp_look import DEEP_LIMIT, look_at_mcp
from apps.monitoring.probes.mcp_wire import CLOSING
from apps.monitoring.probes.phases import CURRENT, phases
from apps.monitoring.probes.plain import look_at_process, look_at_tcp
from apps.monitoring.probes.postgres import look_at_postgres
from apps.monitoring.probes.redis import look_at_redis
from apps.monitoring.probes.told import look_at_heartbeat, look_at_part
from apps.monitoring.probes.web import look_at_certificate, look_at_http

IN_FLIGHT = 64
# Looks at a host at a time, whatever its ports; and at each of its servers, with those that hang.
PER_HOST = 2
# What gave no answer last time has a lane of its own: the hanging delay each other only.
HANGING = 512
# Seconds after which a look counts as one that hangs: it leaves its host to the next one.
PATIENCE = 0.5
# What the look of this task may reach.
RULES: ContextVar[Rules] = ContextVar("rules", default=PUBLIC_ONLY)
# None is not the prober's: whoever reads the queue wakes itself with it.
Found = queue.SimpleQueue[tuple[Look, Finding] | None]


PLAIN: dict[str, Callable[[Look, Finding], Awaitable[Finding]]] = {
    CheckKind.CERTIFICATE: look_at_certificate,
    CheckKind.TCP: look_at_tcp,
    CheckKind.DNS: look_at_name,
    CheckKind.DISK: look_at_disk,
    CheckKind.POSTGRES: look_at_postgres,
    CheckKind.REDIS: look_at_redis,
    CheckKind.HEARTBEAT: look_at_heartbeat,
}


@dataclasses.dataclass(frozen=True)
class Ways:
    """To what is asked on this machine: two sockets, and the portal's parts by name."""

    supervisor: str = ""
    containers: str = ""
    parts: Mapping[str, Callable[[], str]] = dataclasses.field(default_factory=dict)


class Prober:
    """Takes looks from any thread; findings come out of a queue. Make one for a process."""

    def __init__(self, ways: Ways | None = None) -> None:
        self.ways = ways or Ways()
        self._loop = asyncio.new_event_loop()
        self._session: aiohttp.ClientSession | None = None
        self._lanes = {False: asyncio.Semaphore(IN_FLIGHT), True: asyncio.Semaphore(HANGING)}
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))
        self._servers: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(PER_HOST)
        )
        # When a look began, and the places that it holds: none once it is over.
        self._begun: deque[tuple[float, list[asyncio.Semaphore]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def start(self, looks: Iterable[Look], found: Found) -> None:
        """Begins each look at its moment; its finding goes into the queue as it is there."""
        self._loop.call_soon_threadsafe(self._begin, list(looks), found)

    def close(self, patience: float = 5.0) -> None:
        """Gives the looks under way `patience` seconds, ends their sessions, then the loop."""

        async def end() -> None:
            late = (await asyncio.wait(self._tasks, timeout=patience))[1] if self._tasks else ()
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await asyncio.gather(*CLOSING)
            if self._session:
                await self._session.close()
            await self._loop.shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _begin(self, looks: list[Look], found: Found) -> None:
        now = time.time()
        for look in looks:
            if look.at > now:
                self._loop.call_later(look.at - now, self._carry_out, look, found)
            else:
                self._carry_out(look, found)

    def _carry_out(self, look: Look, found: Found) -> None:
        task = self._loop.create_task(self._carry(look, found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, look: Look, found: Found) -> None:
        hung = bool(look.memory.get("hung"))
        server = server_of(look)
        async with self._servers[server]:
            held: list[asyncio.Semaphore] = []
            try:
                # The host first: what waits for its host must not hold a place in the lane. What
                # hung last time asks for no place there: its server alone would fill the host.
                for place in () if hung else (self._hosts[host_of(server)],):
                    await place.acquire()
                    held.append(place)
                await self._lanes[hung].acquire()
                held.append(self._lanes[hung])
                self._begun.append((self._loop.time(), held))
                if len(self._begun) == 1:
                    self._loop.call_later(PATIENCE, self._let_go)
                finding = await self._one(look)
            finally:
                give_up(held)
        found.put((look, finding))

    def _let_go(self) -> None:
        """What begins to hang gives its places to the next one and goes on beside them."""
        began = self._loop.time() - PATIENCE
        while self._begun and self._begun[0][0] <= began:
            give_up(self._begun.popleft()[1])
        if self._begun:
            # One timer for all of them: one for each look would cost as much as its connection.
            self._loop.call_later(PATIENCE / 5, self._let_go)

    async def _one(self, look: Look) -> Finding:
        finding = Finding(memory=dict(look.memory))
        CURRENT.set(finding)
        RULES.set(look.rules)
        try:
            await self._dispatch(look, finding)
        except (aiohttp.ClientError, OSError, TimeoutError, EOFError) as error:
            explain(finding, error, where_of(look), look.time_limit)
        except Exception as error:  # noqa: BLE001 - a look must end in a finding, whatever it met
            finding.conclude(
                Health.UNKNOWN, f"The portal could not look ({error.__class__.__name__}).", "ours"
            )
        finding.keep_secret(look.secrets.values())
        if finding.latency_ms is None:
            finding.latency_ms = finding.elapsed_ms()
        finding.ended = time.time()
        finding.memory.pop("hung", None)
        if finding.code == "timeout":
            finding.memory["hung"] = True
        return finding

    async def _dispatch(self, look: Look, finding: Finding) -> None:
        if missing := [name for name in secret_names(look) if name not in look.secrets]:
            finding.conclude(
                Health.MISCONFIGURED,
                f"The environment has no secret {', '.join(missing)}. Set it.",
                "no_secret",
            )
            return
        if look.kind == CheckKind.HTTP:
            await look_at_http(look, finding)  # has its deadline inside
            return
        if look.kind == CheckKind.MCP:
            # Each part has its own limit inside; this one is for a listing that follows them.
            async with asyncio.timeout(look.time_limit + DEEP_LIMIT):
                await look_at_mcp(look, finding, self._http())
            return
        async with asyncio.timeout(look.time_limit):
            if carry := PLAIN.get(look.kind):
                await carry(look, finding)
            elif look.kind == CheckKind.PROCESS:
                await look_at_process(look, finding, self.ways.supervisor)
            elif look.kind == CheckKind.CONTAINER:
                await look_at_container(look, finding, self.ways.containers)
            elif look.kind == CheckKind.PORTAL:
                await look_at_part(look, finding, self.ways.parts)
            else:
                sentence = f"There is no kind of check {look.kind}. Remove the check."
                finding.conclude(Health.UNKNOWN, sentence, "kind")

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A new connection for each look: a kept one would hide that nobody can connect.
            connector = aiohttp.TCPConnector(
                ssl=default_tls(), limit=0, force_close=True, socket_factory=guarded_socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=2),
                trust_env=False,
                # Nothing is unpacked: a small body that unpacks to gigabytes stays small.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[phases()],
            )
        return self._session


def give_up(held: list[asyncio.Semaphore]) -> None:
    """Releases the places of a look, once however often it is called."""
    while held:
        held.pop().release()


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for an address that the look under way may reach. Raises AddressRefused."""
    family, kind, protocol, _, address = info
    if why := RULES.get().refusal(address[0], address[1]):
        CURRENT.get().refused = f"{address[0]} port {address[1]} may not be reached: {why}"
        raise AddressRefused(CURRENT.get().refused)
    return socket.socket(family, kind, protocol)


def secret_names(look: Look) -> list[str]:
    """The secrets of the environment that the parameters refer to."""
    return [value for name, value in look.parameters.items() if name.endswith("_secret")]


def where_of(look: Look) -> str:
    """Address of the watched thing, for people."""
    given = look.parameters
    return str(
        given.get("url")
        or given.get("container")
        or given.get("part")
        or given.get("process")
        or given.get("name")
        or given.get("path")
        or f"{given.get('host')}:{given.get('port')}"
    )


def server_of(look: Look) -> str:
    """Host and port of what is looked at; for what has none the kind."""
    given = look.parameters
    if "url" in given:
        return netloc_of(given["url"])
    if "host" in given:
        host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
        return f"{host}:{given.get('port', '')}"
    return look.kind


@functools.lru_cache(maxsize=8192)
def host_of(server: str) -> str:
    """The host without its port: `[::1]:80` gives `::1`."""
    return urlsplit(f"//{server}").hostname or server


@functools.lru_cache(maxsize=8192)
def netloc_of(url: str) -> str:
    return str(urlsplit(url).netloc)
