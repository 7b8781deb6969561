"""
Servers on loopback that misbehave as real ones do. Each condition is a coroutine over one open
connection; a server counts the sessions it gave out and those that were ended.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import uuid

from apps.core.safe_http import MalformedAnswer, TooManyRedirects

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def message(self):
        return json.loads(self.body) if self.body else {}


class Server:
    """Runs `answer(server, request, writer)` for each request on a loop of its own."""

    def __init__(self, answer, *, tls=None, host="127.0.0.1"):
        self.answer = answer
        self.requests, self.sessions = [], set()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks = set()
        starting = asyncio.start_server(self._serve, host, 0, ssl=tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self.loop).result(5)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}/mcp"

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while request := await read_request(reader):
                if request.method == "?":
                    writer.write(b"HTTP/1.1 400 X\r\n\r\n")
                    await writer.drain()
                    break
                self.requests.append(request)
                if await self.answer(self, request, writer) is False:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(asyncio.current_task())

    def close(self):
        async def end():
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._cut()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    async def _cut(self):
        """
        Ends every connection of this loop, also those that nobody serves yet (a handshake under
        way) and those whose last bytes nobody reads: closed, they would wait for a flush that
        never comes, outlive the loop, and warn in the middle of somebody else's test.
        """
        until = self.loop.time() + 5
        while open_ones := [t for t in self.loop._transports.values() if t._sock is not None]:
            assert self.loop.time() < until, f"connections stay open: {open_ones}"
            for transport in open_ones:
                transport.abort()
            await asyncio.sleep(0)


async def read_request(reader):
    line = await reader.readline()
    if not line:
        return None
    if line.count(b" ") != 2 or not line.endswith(b"\r\n"):
        return Request("?", "", {}, b"")
    method, path, _ = line.decode().split(" ", 2)
    headers = {}
    while (line := await reader.readline()) not in (b"\r\n", b""):
        key, _, value = line.decode().partition(":")
        headers[key.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def send(writer, status, body=b"", *, kind="application/json", **headers):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def result(request, **content):
    return {"jsonrpc": "2.0", "id": request.message.get("id"), "result": content}


def failure(request, code, text="no", **more):
    error = {"code": code, "message": text, **more}
    return {"jsonrpc": "2.0", "id": request.message.get("id"), "error": error}


def tool(name, **more):
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **more}


READ, WRITE = tool("read"), tool("write")


def status(code, body=b"", **headers):
    """A server that always answers the same."""

    async def answer(_server, _request, writer):
        send(writer, code, body, **headers)

    return answer


def modern(tools=(READ, WRITE), *, delay=0.0, listing=None):
    """Speaks 2026-07-28 only."""

    async def answer(_server, request, writer):
        method = request.message.get("method")
        if method == "server/discover":
            await asyncio.sleep(delay)
            info = {"name": "modern", "version": "1.0"}
            send(
                writer,
                200,
                result(
                    request,
                    supportedVersions=[MODERN],
                    capabilities={"tools": {}},
                    serverInfo=info,
                ),
            )
        elif method == "tools/list":
            if listing:
                await listing(request, writer)
            else:
                send(writer, 200, result(request, tools=list(tools)))
        else:
            send(writer, 404, failure(request, -32601))

    return answer


def handshake(refusal=400, tools=(READ,), *, delay=0.0, hang="", version=HANDSHAKE):
    """The handshake era, with a session; `refusal` is how it answers `server/discover`."""

    async def answer(server, request, writer):
        if request.method == "DELETE":
            server.sessions.discard(request.headers.get("mcp-session-id"))
            return send(writer, 200)
        method = request.message.get("method")
        if method == "initialize":
            session = uuid.uuid4().hex
            server.sessions.add(session)
            await asyncio.sleep(delay)
            content = result(
                request,
                protocolVersion=version,
                capabilities={"tools": {}},
                serverInfo={"name": "old", "version": "0.9"},
            )
            return send(writer, 200, content, Mcp_Session_Id=session)
        if method == hang:
            await asyncio.sleep(60)
        if method == "notifications/initialized":
            return send(writer, 202)
        if method == "tools/list" and request.headers.get("mcp-session-id") in server.sessions:
            return send(writer, 200, result(request, tools=list(tools)))
        if refusal == 200:
            return send(writer, 200, result(request, supportedVersions=[HANDSHAKE]))
        return send(writer, refusal, failure(request, -32601 if refusal == 404 else -32600))

    return answer


async def silent(_server, _request, _writer):
    await asyncio.sleep(60)


async def closes_at_once(_server, _request, _writer):
    return False


async def drips_comments(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
    while True:
        writer.write(b": still here\n\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_body(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n")
    while True:
        writer.write(b"[" * 65536)
        await writer.drain()


async def wrong_id(_server, request, writer):
    body = result(request, supportedVersions=[MODERN], capabilities={})
    send(writer, 200, {**body, "id": 77})


async def old_transport(_server, request, writer):
    if request.method != "GET":
        return send(writer, 405)
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
    writer.write(b"event: endpoint\ndata: /messages?id=1\n\n")
    await writer.drain()
    await asyncio.sleep(5)
    return None


async def other_versions(_server, request, writer):
    data = {"supported": ["2031-01-01"]}
    send(writer, 400, failure(request, -32022, "version", data=data))


def pages(count):
    """Pages of the tools by cursor; `count` None never ends."""

    async def listing(request, writer):
        number = int(request.message["params"].get("cursor") or 0)
        more = {"nextCursor": str(number + 1)} if count is None or number + 1 < count else {}
        send(writer, 200, result(request, tools=[tool(f"t{number}")], **more))

    return listing


async def same_cursor(request, writer):
    send(writer, 200, result(request, tools=[tool("t")], nextCursor=""))


async def refuses_to_list(request, writer):
    send(writer, 500, failure(request, -32603))


async def lists_in_one_long_line(request, writer):
    """Server-sent events with one line of 600 kB."""
    tools = [tool("long", description="x" * 600_000)]
    data = json.dumps(result(request, tools=tools)).encode()
    body = b"event: message\r\ndata: " + data + b"\r\n\r\n"
    send(writer, 200, body, kind="text/event-stream")


async def drips_its_head(_server, _request, writer):
    for byte in b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.01)


async def drips_its_body(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless_head(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\n")
    while True:
        writer.write(b"X-Y: " + b"z" * 1000 + b"\r\n")
        await writer.drain()


async def endless_chunks(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def a_chunk_of_gigabytes(_server, _request, writer):
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nfffffff0\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def redirects_to_itself(server, _request, writer):
    send(writer, 302, Location=server.url)


BOMB = gzip.compress(bytes(100 << 20), 9)
# What it does, and what a client within its limits makes of it: an error, or an answer cut off.
HOSTILE = {
    "is silent": (silent, TimeoutError),
    "drips its head": (drips_its_head, TimeoutError),
    "drips its body": (drips_its_body, TimeoutError),
    "drips comments": (drips_comments, TimeoutError),
    "has an endless head": (endless_head, MalformedAnswer),
    "has an endless body": (endless_body, None),
    "has endless chunks": (endless_chunks, None),
    "has a chunk of gigabytes": (a_chunk_of_gigabytes, None),
    "sends a gzip bomb": (status(200, BOMB, Content_Encoding="gzip"), None),
    "redirects to itself": (redirects_to_itself, TooManyRedirects),
    "closes at once": (closes_at_once, ConnectionError),
}
