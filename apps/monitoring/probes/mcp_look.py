"""
Looks at an MCP server: era, liveness, and now and then the whole list of its tools.

Servers of the handshake era refuse `server/discover` in four ways (400, 404, 500, and 200 with
old versions only), none of which is trouble; and a 401 is not "down".
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiohttp

from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look
from apps.monitoring.probes.mcp_list import Listing, ListingFailed, list_tools
from apps.monitoring.probes.mcp_verdict import handshake_verdict, modern_verdict
from apps.monitoring.probes.mcp_wire import MODERN, Answer, Session, discover, handshake

# Seconds: how often the tools are listed, after what a failed listing is tried again, how long it
# may take.
DEEP_EVERY = 300
DEEP_AGAIN = 60
DEEP_LIMIT = 10.0
SLOW_MS = 1000
# How long a server with the old transport may take to begin its stream.
SNIFF = 1.0


async def look_at_mcp(look: Look, finding: Finding, http: aiohttp.ClientSession) -> Finding:
    """
    `{"url", "slow_ms"?: 1000}`. Memory: `{"era", "version", "server", "server_version",
    "capabilities", "stateful", "deep_at", "oddity"}`.
    """
    url = look.parameters["url"]
    era = look.memory.get("era", "")
    async with asyncio.timeout(look.time_limit) as deadline:
        if era != "handshake" and await by_discovery(look, finding, http, deadline):
            return finding
        await by_handshake(look, finding, http, deadline)
        if finding.code and era == "handshake":
            # The stored era may be out of date: one look the other way before it counts.
            await by_discovery(look, finding, http, deadline)
        if finding.code == "no_endpoint" and await speaks_old_transport(http, url):
            finding.conclude(
                Health.INCOMPATIBLE,
                f"{url} speaks only the deprecated HTTP+SSE transport."
                " Deploy a version with Streamable HTTP.",
                "legacy_sse",
            )
    return finding


async def by_discovery(
    look: Look, finding: Finding, http: aiohttp.ClientSession, deadline: asyncio.Timeout
) -> bool:
    """The modern era. False when the server may speak the handshake instead."""
    url = look.parameters["url"]
    with finding.step("server/discover") as rung:
        answer = await _discover_patiently(look, http, url)
        rung["detail"] = f"HTTP {answer.status}" if answer else "no answer"
        rung["passed"] = answer is not None and answer.result is not None
    if answer is None or modern_verdict(finding, answer, url) is None:
        return False
    if finding.found == Health.HEALTHY:
        await deepen(look, finding, Session(http, url, "modern", MODERN, {}), deadline)
    return True


async def _discover_patiently(look: Look, http: aiohttp.ClientSession, url: str) -> Answer | None:
    """A server of unknown era may not answer what it does not know: half the time is for asking."""
    if look.memory.get("era"):
        return await discover(http, url)
    try:
        async with asyncio.timeout(look.time_limit / 2):
            return await discover(http, url)
    except TimeoutError:
        return None


async def by_handshake(
    look: Look, finding: Finding, http: aiohttp.ClientSession, deadline: asyncio.Timeout
) -> None:
    """The handshake era; its session is ended on every way out."""
    url = look.parameters["url"]
    async with contextlib.AsyncExitStack() as stack:
        with finding.step("initialize") as rung:
            answer, session = await stack.enter_async_context(handshake(http, url))
            rung["detail"] = f"HTTP {answer.status}"
            rung["passed"] = answer.result is not None
        handshake_verdict(finding, answer, url)
        if finding.found == Health.HEALTHY:
            finding.memory["stateful"] = bool(session.session_id)
            await deepen(look, finding, session, deadline)


async def deepen(look: Look, finding: Finding, session: Session, deadline: asyncio.Timeout) -> None:
    """
    Lists the tools when it is time. A listing that fails lowers the health of a server that
    answers, and takes nothing away that was known.
    """
    finding.latency_ms = finding.elapsed_ms()
    if time.time() - look.memory.get("deep_at", 0) >= DEEP_EVERY:
        deadline.reschedule(asyncio.get_running_loop().time() + DEEP_LIMIT + 1)
        await _list(finding, session)
    limit = float(look.parameters.get("slow_ms", SLOW_MS))
    if oddity := finding.memory.get("oddity"):
        finding.conclude(Health.DEGRADED, oddity[1], oddity[0])
    elif finding.latency_ms > limit:
        finding.conclude(
            Health.DEGRADED,
            f"Slow: {finding.latency_ms:.0f} ms, the limit is {limit:.0f} ms."
            " Look at the load of the server.",
            "slow",
        )


async def _list(finding: Finding, session: Session) -> None:
    now = int(time.time())
    with finding.step("tools/list") as rung:
        try:
            async with asyncio.timeout(DEEP_LIMIT):
                if session.era == "handshake":
                    await session.ask("notifications/initialized")
                offers = "tools" in finding.memory.get("capabilities", {})
                listing = await list_tools(session) if offers else Listing()
        except (ListingFailed, aiohttp.ClientError, OSError, TimeoutError) as error:
            rung["passed"] = False
            said = str(error) if isinstance(error, ListingFailed) else error.__class__.__name__
            reason = f"It answers, but its tools cannot be listed: {said}"
            finding.memory |= {
                "oddity": ["listing_failed", reason],
                "deep_at": now - DEEP_EVERY + DEEP_AGAIN,
            }
            return
        rung["detail"] = f"{len(listing.tools)} tools"
        rung["passed"] = not listing.oddity
    finding.tools = listing.tools
    finding.memory |= {
        "oddity": [listing.code, listing.oddity] if listing.oddity else None,
        "deep_at": now,
    }


async def speaks_old_transport(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET begins a stream whose first event is `endpoint`."""
    try:
        async with (
            asyncio.timeout(SNIFF),
            http.get(url, headers={"Accept": "text/event-stream"}, allow_redirects=False) as answer,
        ):
            kind = answer.headers.get("content-type", "")
            return "event-stream" in kind and b"endpoint" in await answer.content.readany()
    except (TimeoutError, aiohttp.ClientError, OSError):
        return False
