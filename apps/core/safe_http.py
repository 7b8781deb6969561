"""
An HTTP client for addresses that people typed in: nothing it does may reach what a rule forbids,
take longer than its deadline, or hold more than 1 MiB.

A name is resolved once for each hop; every address it has must be allowed, and the connection goes
to the address that was looked at, so that a name which resolves differently a moment later gains
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urljoin, urlsplit

from apps.core.addresses import AddressRefused, Rules
from apps.core.http_wire import BODY_LIMIT, Exchange, MalformedAnswer, unpacked

REDIRECTS = 3
# Of public addresses: ports of other protocols are no business of an HTTP client.
PUBLIC_PORTS = frozenset({80, 443})
FIRST_FREE_PORT = 1024
REDIRECTED = frozenset({301, 302, 303, 307, 308})
# Never sent to another origin.
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class TooManyRedirects(ConnectionError):
    """The redirects go on beyond what was allowed."""


@dataclasses.dataclass
class Answer:
    """
    What came back, of the last hop. `headers` by lower-case name; `body` unpacked, at most 1 MiB,
    `cut` when there was more. `phases` are milliseconds: name, connect, tls, first_byte, total.
    `certificate` is the peer's as `ssl` gives it, None without TLS.
    """

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool
    phases: dict[str, float]
    certificate: Mapping[str, object] | None = None
    hops: int = 0


@dataclasses.dataclass(frozen=True)
class Target:
    """An address taken apart once. `request` is the head of the request without extra headers."""

    scheme: str
    host: str
    port: int
    request: bytes
    literal: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


@functools.lru_cache(maxsize=8192)
def target_of(url: str) -> Target:
    """Raises ValueError with a sentence for what is no plain http(s) address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("The address is not http or https.")
    if "@" in parts.netloc:
        raise ValueError("The address has a name or password in it.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("The address has characters that must be escaped.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname
    literal = ""
    with contextlib.suppress(ValueError):
        literal = str(ipaddress.ip_address(host))
    return Target(parts.scheme, host, port, _head(parts, host), literal)


def _head(parts: SplitResult, host: str) -> bytes:
    named = f"[{host}]" if ":" in host else host
    named = f"{named}:{parts.port}" if parts.port else named
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (
        f"GET {path} HTTP/1.1\r\nHost: {named}\r\nUser-Agent: orchestra-portal/1\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
    ).encode("ascii")


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises socket.gaierror."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


async def allowed_addresses(host: str, port: int, rules: Rules) -> list[str]:
    """
    The addresses of a name or literal, all of them allowed. Raises AddressRefused when one is not:
    a name with a good and a bad address is how a rebinding looks.
    """
    try:
        found = [str(ipaddress.ip_address(host))]
    except ValueError:
        found = await resolve(host, port)
    for address in found:
        if why := rules.refusal(address, port):
            raise AddressRefused(f"{address} port {port} may not be reached: {why}")
    return found


async def dial(addresses: list[str], port: int) -> socket.socket:
    """A connected socket to the first of the checked addresses that takes the connection."""
    loop = asyncio.get_running_loop()
    error: OSError = ConnectionRefusedError("no address")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(made, (address, port))
        except OSError as refused:
            made.close()
            error = refused
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise error


async def fetch(
    url: str,
    *,
    rules: Rules,
    deadline: float = 10.0,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    follow: int = 0,
    phases: dict[str, float] | None = None,
) -> Answer:
    """
    GET within `deadline` seconds over the whole exchange, redirects (`follow`, at most 3) and name
    look-ups included. `phases` is filled as they pass, so that a failure shows where it stood.
    Raises AddressRefused, TimeoutError, MalformedAnswer, TooManyRedirects, ssl.SSLError,
    ValueError, OSError.
    """
    sent = dict(headers or {})
    left = min(follow, REDIRECTS)
    times: dict[str, float] = {} if phases is None else phases
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(deadline):
        for hop in range(left + 1):
            target = target_of(url)
            exchange = Exchange(_request(target, sent), loop)
            answer = await _once(url, target, rules, exchange, tls, times)
            answer.hops = hop
            place = answer.headers.get("location")
            if not follow or answer.status not in REDIRECTED or not place:
                return answer
            url = urljoin(url, place)
            if target_of(url).origin != target.origin:
                sent = {name: v for name, v in sent.items() if name.lower() not in CREDENTIALS}
    raise TooManyRedirects(f"more than {left} redirects")


async def post(
    url: str,
    body: bytes,
    *,
    rules: Rules,
    deadline: float = 10.0,
    headers: Mapping[str, str] | None = None,
    limit: int = BODY_LIMIT,
) -> Answer:
    """
    POST within `deadline` seconds; of the answer's body, `limit` bytes are read. A redirect is an
    answer like any other: what was sent goes to nobody else. Raises as `fetch` does.
    """
    target = target_of(url)
    sent = {**(headers or {}), "Content-Length": str(len(body))}
    request = _request(target, sent).replace(b"GET", b"POST", 1) + body
    exchange = Exchange(request, asyncio.get_running_loop(), limit)
    async with asyncio.timeout(deadline):
        return await _once(url, target, rules, exchange, None, {})


async def _once(
    url: str,
    target: Target,
    rules: Rules,
    exchange: Exchange,
    tls: ssl.SSLContext | None,
    times: dict[str, float],
) -> Answer:
    loop = asyncio.get_running_loop()
    began = loop.time()
    addresses = await _checked(target, rules)
    if not target.literal:
        times.setdefault("name", _ms(loop.time() - began))
    connecting = loop.time()
    made = await dial(addresses, target.port)
    times["connect"] = _ms(loop.time() - connecting)
    asked = loop.time()
    try:
        if target.scheme == "https":
            context = tls or default_tls()
            await loop.create_connection(
                lambda: exchange, sock=made, ssl=context, server_hostname=target.host
            )
            times["tls"] = _ms(loop.time() - asked)
            asked = loop.time()
            await exchange.done
        else:
            await converse(made, exchange)
    finally:
        if exchange.transport is None:
            made.close()
        else:
            exchange.transport.abort()
    times["first_byte"] = _ms((exchange.first_byte or asked) - asked)
    times["total"] = _ms(loop.time() - began)
    coding = exchange.headers.get("content-encoding", "")
    body, more = unpacked(bytes(exchange.body), coding, exchange.limit)
    certificate = exchange.transport.get_extra_info("peercert") if exchange.transport else None
    return Answer(
        url, exchange.status, exchange.headers, body, exchange.cut or more, times, certificate
    )


async def converse(made: socket.socket, exchange: Exchange) -> None:
    """Plain HTTP without a transport, which costs more than all the rest of a small exchange."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(made, exchange.request)
    while not exchange.done.done():
        if data := await loop.sock_recv(made, 65_536):
            exchange.data_received(data)
        else:
            exchange.connection_lost(None)
    exchange.done.result()


async def _checked(target: Target, rules: Rules) -> list[str]:
    if target.literal and not rules.refusal(target.literal, target.port) and target.port >= 1024:
        return [target.literal]
    addresses = await allowed_addresses(target.literal or target.host, target.port, rules)
    if target.port not in PUBLIC_PORTS and target.port < FIRST_FREE_PORT:
        for text in addresses:
            address = ipaddress.ip_address(text.partition("%")[0])
            if not any(rule.allows(address, target.port) for rule in rules.allowed):
                raise AddressRefused(f"Port {target.port} is no port of a public web server")
    return addresses


def _request(target: Target, headers: Mapping[str, str]) -> bytes:
    if not headers:
        return target.request + b"\r\n"
    lines = []
    for name, value in headers.items():
        if any(char in "\r\n\0" for char in name + value):
            raise ValueError("A header has a line break in it.")
        lines.append(f"{name}: {value}\r\n")
    return target.request + "".join(lines).encode("latin-1") + b"\r\n"


@functools.cache
def default_tls() -> ssl.SSLContext:
    """One for the process: making one costs 40 ms of CPU."""
    return ssl.create_default_context()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


__all__ = [
    "AddressRefused", "Answer", "MalformedAnswer", "TooManyRedirects",
    "allowed_addresses", "default_tls", "dial", "fetch", "post", "resolve", "target_of",
]  # fmt: skip
