"""Reads no more than we can bear from a watched thing."""

from __future__ import annotations

import aiohttp

LARGEST = 1 << 20


async def read_bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body, or its first MiB; the rest is left unread."""
    body = bytearray()
    while len(body) < LARGEST:
        piece = await content.read(LARGEST - len(body))
        if not piece:
            break
        body += piece
    return bytes(body)
