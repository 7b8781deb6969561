"""Asks a port whether an MCP server answers: one `initialize`, and the session closed again."""

import contextlib
import http.client
import json
from typing import Any

TIMEOUT = 5.0  # seconds
REVISION = "2025-06-18"  # of the handshake line, which every server and bridge still speaks
LARGEST = 256 * 1024  # bytes of an answer
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": REVISION,
        "capabilities": {},
        "clientInfo": {"name": "orchestra-provider", "version": "1"},
    },
}


def answer(host: str, port: int, path: str) -> dict[str, Any] | None:
    """The result of `initialize`, or None while nothing or something else answers."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("POST", path, json.dumps(_INITIALIZE), _HEADERS)
        response = connection.getresponse()
        session = response.getheader("mcp-session-id")
        result = _result(_message(response)) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if session:
        _close_session(host, port, path, session)
    return result


def _message(response: http.client.HTTPResponse) -> Any:
    """The JSON-RPC message: the body itself, or the first event of a stream that may stay open."""
    if not (response.getheader("content-type") or "").startswith("text/event-stream"):
        return json.loads(response.read(LARGEST))
    for _ in range(100):  # comments and other fields come before the data
        line = response.readline(LARGEST)
        if line.startswith(b"data:") and line[5:].strip():
            return json.loads(line[5:])
        if not line:
            break
    raise ValueError("the stream ended without a message")


def _result(message: Any) -> dict[str, Any] | None:
    result = message.get("result") if isinstance(message, dict) else None
    return result if isinstance(result, dict) and "protocolVersion" in result else None


def _close_session(host: str, port: int, path: str, session: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("DELETE", path, headers={"mcp-session-id": session})
        connection.getresponse().read()
    connection.close()
