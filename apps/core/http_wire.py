"""
HTTP/1.1 as much as one bounded request needs, on an asyncio transport: head, body by length, by
chunks or to the end. Strict: what is malformed is an error, what is too large is cut off.
"""

from __future__ import annotations

import asyncio
import re
import zlib

HEAD_LIMIT = 32 * 1024
BODY_LIMIT = 1 << 20
INTERIM = 5
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: |$)")
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


class MalformedAnswer(ConnectionError):
    """What came is no HTTP answer, or its head is too large."""


class Exchange(asyncio.Protocol):
    """
    Sends one request and collects its answer; `done` resolves when it is whole. `body` holds at
    most `limit` bytes as they came; `cut` says that there was more. `first_byte` is the loop
    time at which the answer began.
    """

    def __init__(
        self, request: bytes, loop: asyncio.AbstractEventLoop, limit: int = BODY_LIMIT
    ) -> None:
        self.request, self._loop, self.limit = request, loop, limit
        self.done: asyncio.Future[None] = loop.create_future()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.cut = False
        self.first_byte: float | None = None
        self._raw = bytearray()
        # How the body ends: bytes left, or None for chunks, or -1 for the end of the connection.
        self._left: int | None = -1
        self._interim = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.done.done():
            return
        if self.first_byte is None:
            self.first_byte = self._loop.time()
        self._raw += data
        try:
            if self.status or self._read_head():
                self._read_body()
        except (ValueError, MalformedAnswer) as error:
            self._end(MalformedAnswer(str(error) or "malformed"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done.done():
            return
        if self.status and self._left == -1 and exc is None:
            self._end()
        else:
            self._end(exc or ConnectionResetError("closed before the answer was whole"))

    def _end(self, error: Exception | None = None) -> None:
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        if self.transport:
            self.transport.abort()

    def _read_head(self) -> bool:
        while (end := self._raw.find(b"\r\n\r\n", 0, HEAD_LIMIT + 4)) >= 0:
            head = bytes(self._raw[:end])
            del self._raw[: end + 4]
            status = parse_head(head, self.headers)
            if status >= 200:
                self.status = status
                self._left = framing(status, self.headers)
                return True
            self._interim += 1
            self.headers.clear()
            if status == 101 or self._interim > INTERIM:
                raise MalformedAnswer("interim answers without end")
        if len(self._raw) > HEAD_LIMIT:
            raise MalformedAnswer("the head is larger than 32 KiB")
        if len(self._raw) >= 5 and not self._raw.startswith(b"HTTP/"):
            raise MalformedAnswer("the answer is not HTTP")
        return False

    def _read_body(self) -> None:
        if self._left is None:
            whole = self._read_chunks()
        else:
            self._take(len(self._raw) if self._left < 0 else self._left)
            whole = self._left == 0
        if whole or self.cut:
            self._end()

    def _take(self, count: int) -> int:
        """Moves up to `count` bytes into the body; returns how many."""
        piece = self._raw[:count]
        del self._raw[: len(piece)]
        if self._left is not None and self._left > 0:
            self._left -= len(piece)
        room = self.limit - len(self.body)
        self.cut = self.cut or len(piece) > room
        self.body += piece[:room]
        return len(piece)

    _chunk = 0  # bytes left of this chunk, its line end included; 0 before a size

    def _read_chunks(self) -> bool:
        """True when the last chunk was read. Trailers are of no interest."""
        while self._raw and not self.cut:
            if self._chunk > 2:
                self._chunk -= self._take(self._chunk - 2)
            elif self._chunk:
                if not self._read_chunk_end():
                    return False
            else:
                length = self._read_chunk_size()
                if not length:
                    return length == 0
                self._chunk = length + 2
        return False

    def _read_chunk_end(self) -> bool:
        if len(self._raw) < 2:
            return False
        if not self._raw.startswith(b"\r\n"):
            raise MalformedAnswer("a chunk has no end")
        del self._raw[:2]
        self._chunk = 0
        return True

    def _read_chunk_size(self) -> int | None:
        """The size, None when it is not there yet."""
        end = self._raw.find(b"\r\n", 0, 1024)
        if end < 0:
            if len(self._raw) >= 1024:
                raise MalformedAnswer("a chunk has no size")
            return None
        size = _SIZE.fullmatch(self._raw[:end].partition(b";")[0].strip())
        if size is None:
            raise MalformedAnswer("a chunk has no size")
        del self._raw[: end + 2]
        return int(size[0], 16)


def parse_head(head: bytes, headers: dict[str, str]) -> int:
    """Fills the headers by lower-case name; returns the status. Raises MalformedAnswer."""
    line, *rest = head.split(b"\r\n")
    found = _STATUS.match(line)
    if found is None:
        raise MalformedAnswer("the answer is not HTTP")
    for item in rest:
        name, colon, value = item.partition(b":")
        if not colon or not name or name != name.strip():
            raise MalformedAnswer("a header is malformed")
        key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
        if key == "content-length" and headers.get(key, text) != text:
            raise MalformedAnswer("two lengths")
        headers[key] = text
    return int(found[1])


def framing(status: int, headers: dict[str, str]) -> int | None:
    """Bytes of the body, None for chunks, -1 when it ends with the connection."""
    if status in (204, 304):
        return 0
    coding = headers.get("transfer-encoding", "").lower()
    if coding:
        if coding != "chunked":
            raise MalformedAnswer("an unknown transfer encoding")
        return None
    length = headers.get("content-length")
    if length is None:
        return -1
    if not length.isascii() or not length.isdigit() or len(length) > 18:
        raise MalformedAnswer("a length that is none")
    return int(length)


def unpacked(body: bytes, coding: str, limit: int = BODY_LIMIT) -> tuple[bytes, bool]:
    """
    The body as it was meant, at most `limit` bytes, and whether more was left. A bomb stays as
    small as its limit, since no more than that is ever unpacked.
    """
    if coding in ("", "identity"):
        return body, False
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise MalformedAnswer("an unknown content encoding")
    machine = zlib.decompressobj(47)  # gzip or zlib, whichever it is
    try:
        out = machine.decompress(body, limit)
    except zlib.error as error:
        raise MalformedAnswer("the body cannot be unpacked") from error
    return out, bool(machine.unconsumed_tail)
