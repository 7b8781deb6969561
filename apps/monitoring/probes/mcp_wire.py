"""
MCP over Streamable HTTP, as much as looking at a server needs, in both protocol eras: raw JSON-RPC
on one shared session (the official client costs twenty times the CPU and hides the status).

*modern*: revision 2026-07-28, stateless, `server/discover`. *handshake*: `initialize`, a session
that must be ended with DELETE, whatever happens: a leaked one costs the server memory or a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from apps.monitoring.probes.reading import LARGEST, read_bounded

MODERN = "2026-07-28"
HANDSHAKES = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
CLIENT = {"name": "orchestra-portal", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}
# Sessions that are being ended; the prober waits for them before it goes.
CLOSING: set[asyncio.Future[None]] = set()
ACCEPT = {"Accept": "application/json, text/event-stream"}
# An answer's beginning is enough to see what it is.
SHOWN = 200


@dataclasses.dataclass
class Answer:
    """One HTTP answer to one JSON-RPC request; `message` is None when the body was none of ours."""

    status: int
    headers: dict[str, str]
    message: dict[str, Any] | None
    beginning: str = ""

    @property
    def result(self) -> dict[str, Any] | None:
        value = (self.message or {}).get("result")
        return value if isinstance(value, dict) else None

    @property
    def error(self) -> dict[str, Any]:
        value = (self.message or {}).get("error")
        return value if isinstance(value, dict) else {}


@dataclasses.dataclass
class Session:
    """A negotiated conversation with one server."""

    http: aiohttp.ClientSession
    url: str
    era: str
    version: str
    hello: dict[str, Any]
    session_id: str = ""

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Answer:
        """One request in the era's manner."""
        body = dict(params or {})
        headers = {"MCP-Protocol-Version": self.version}
        if self.era == "modern":
            body["_meta"] = META
            headers["Mcp-Method"] = method
        if self.session_id:
            headers["Mcp-Session-Id"] = self.session_id
        # A notification has no id, and its answer no body.
        number = None if method.startswith("notifications/") else 1
        return await post(self.http, self.url, method, body, headers, number=number)


async def post(
    http: aiohttp.ClientSession,
    url: str,
    method: str,
    params: dict[str, Any],
    headers: dict[str, str],
    *,
    number: int | None = 1,
) -> Answer:
    """Sends one JSON-RPC message (a notification without `number`) and reads its answer."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        message["id"] = number
    async with http.post(
        url, json=message, headers={**ACCEPT, **headers}, allow_redirects=False
    ) as answer:
        kept = {key.lower(): value for key, value in answer.headers.items()}
        if "text/event-stream" in kept.get("content-type", ""):
            found, beginning = await read_stream(answer.content, number)
        else:
            raw = await read_bounded(answer.content)
            found, beginning = parse(raw, number), raw[:SHOWN].decode("utf-8", "replace")
        return Answer(answer.status, kept, found, beginning)


async def read_stream(
    content: aiohttp.StreamReader, number: int | None
) -> tuple[dict[str, Any] | None, str]:
    """The message with our id out of a stream of server-sent events; the rest is left unread."""
    total, unread, data, beginning = 0, b"", b"", ""
    async for piece in content.iter_any():
        total += len(piece)
        # Lines of our own: the stream's reader gives up on one longer than its buffer.
        *lines, unread = (unread + piece).split(b"\n")
        beginning = beginning or piece[:SHOWN].decode("utf-8", "replace")
        for line in map(bytes.strip, lines):
            if line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line and data:
                if message := parse(data, number):
                    return message, beginning
                data = b""
        if total > LARGEST:
            break
    return None, beginning


def parse(raw: bytes, number: int | None) -> dict[str, Any] | None:
    """The JSON-RPC message in a body, if it is an answer to ours (errors may have no id)."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        return None
    return value if value.get("id") in (number, None) else None


async def discover(http: aiohttp.ClientSession, url: str) -> Answer:
    """The modern era's question."""
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    return await post(http, url, "server/discover", {"_meta": META}, headers)


async def initialize(http: aiohttp.ClientSession, url: str) -> Answer:
    """The handshake era's question. A session id in the answer must be ended."""
    params = {"protocolVersion": HANDSHAKES[0], "capabilities": {}, "clientInfo": CLIENT}
    return await post(http, url, "initialize", params, {})


async def end_session(http: aiohttp.ClientSession, session: Session) -> None:
    """DELETE, bounded, and never an error: the server may refuse, but it was told."""
    headers = {"Mcp-Session-Id": session.session_id, "MCP-Protocol-Version": session.version}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(1.5):
            async with http.delete(session.url, headers=headers):
                pass


@contextlib.asynccontextmanager
async def handshake(http: aiohttp.ClientSession, url: str) -> AsyncIterator[tuple[Answer, Session]]:
    """
    `initialize`, and DELETE on every way out. The exchange is shielded: a deadline that strikes
    while the server answers must not lose the session id. The look ends then, the closing goes on.
    """
    session = Session(http, url, "handshake", HANDSHAKES[0], {})

    async def begin() -> Answer:
        answer = await initialize(http, url)
        session.session_id = answer.headers.get("mcp-session-id", "")
        session.hello = answer.result or {}
        session.version = str(session.hello.get("protocolVersion", session.version))
        return answer

    beginning = asyncio.ensure_future(begin())
    try:
        yield await asyncio.shield(beginning), session
    finally:
        closing = asyncio.ensure_future(_close(beginning, http, session))
        CLOSING.add(closing)
        closing.add_done_callback(CLOSING.discard)
        if beginning.done():
            await asyncio.shield(closing)


async def _close(
    beginning: asyncio.Future[Answer], http: aiohttp.ClientSession, session: Session
) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await beginning
    beginning.cancel()
    if session.session_id:
        await end_session(http, session)
