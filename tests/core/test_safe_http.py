"""The safe client against servers that mean harm, and what it reads of those that do not."""

import asyncio
import gzip
import ssl
import time
import tracemalloc

import pytest

from apps.core import safe_http
from apps.core.addresses import PUBLIC_ONLY, AddressRefused, parse_rules
from apps.core.safe_http import MalformedAnswer, fetch
from tests.monitoring.conftest import serve  # noqa: F401 - a fixture
from tests.monitoring.hostile import HOSTILE, send, status

HERE = parse_rules([("127.0.0.0/8", [])])
LIMIT = 0.6


def get(url, **more):
    return asyncio.run(fetch(url, **{"rules": HERE, "deadline": LIMIT, **more}))


@pytest.mark.parametrize("what", HOSTILE)
def test_a_server_that_means_harm_gets_its_deadline_and_a_mebibyte(serve, what):  # noqa: F811
    answer, raised = HOSTILE[what]
    url = serve(answer).url
    # The server's own thread allocates, too, and unpacking grows by doubling.
    tracemalloc.start()
    began = time.monotonic()
    try:
        if raised:
            with pytest.raises(raised):
                get(url, follow=3)
        else:
            found = get(url)
            assert found.cut
            assert len(found.body) == 1 << 20
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.monotonic() - began < LIMIT + 0.4
    assert peak < 16 << 20


async def mute_after_connect(reader, _writer):
    await reader.read()


def test_a_handshake_that_hangs_ends_at_the_deadline():
    async def act():
        server = await asyncio.start_server(mute_after_connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await fetch(f"https://127.0.0.1:{port}/", rules=HERE, deadline=LIMIT)
        assert time.monotonic() - began < LIMIT + 0.3
        server.close()
        await server.wait_closed()
        for transport in list(asyncio.get_running_loop()._transports.values()):
            transport.abort()
        await asyncio.sleep(0.01)

    asyncio.run(act())


def test_a_name_that_resolves_to_loopback_is_refused_before_a_connection(serve):  # noqa: F811
    server = serve(status(200))
    for host in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"):
        with pytest.raises(AddressRefused, match="may not be reached"):
            get(f"http://{host}:{server.port}/", rules=PUBLIC_ONLY)
    assert server.requests == []


def test_a_rebinding_name_is_looked_up_once_and_refused_for_one_bad_address(serve, monkeypatch):  # noqa: F811
    server, asked = serve(status(200)), []

    async def rebinding(host, _port):
        asked.append(host)
        return ["93.184.216.34"] if len(asked) > 1 else ["93.184.216.34", "127.0.0.1"]

    monkeypatch.setattr(safe_http, "resolve", rebinding)
    with pytest.raises(AddressRefused):
        get(f"http://rebinding.example:{server.port}/", rules=PUBLIC_ONLY)
    assert len(asked) == 1
    dialled = []

    async def dial(addresses, port):
        dialled.append((addresses, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(safe_http, "dial", dial)
    with pytest.raises(ConnectionRefusedError):
        get("http://rebinding.example/", rules=PUBLIC_ONLY)
    assert len(asked) == 2
    assert dialled == [(["93.184.216.34"], 80)], "the connection goes to what was looked at"


def test_a_redirect_is_checked_again_and_keeps_no_credentials(serve):  # noqa: F811
    target = serve(status(200, b"there"))
    first = serve(status(302, Location=target.url))
    found = get(first.url, follow=1, headers={"Authorization": "Bearer s", "X-Plain": "1"})
    assert (found.status, found.body, found.hops) == (200, b"there", 1)
    assert first.requests[0].headers["authorization"] == "Bearer s"
    assert "authorization" not in target.requests[0].headers
    assert target.requests[0].headers["x-plain"] == "1"
    for place in ("http://169.254.169.254/latest", "http://[::1]:9/", "http://10.0.0.1/"):
        with pytest.raises(AddressRefused):
            get(serve(status(302, Location=place)).url, follow=3)
    for place in ("file:///etc/passwd", "gopher://127.0.0.1/", "http://u:p@127.0.0.1/"):
        with pytest.raises(ValueError, match="address"):
            get(serve(status(302, Location=place)).url, follow=3)


def test_the_same_origin_keeps_its_credentials(serve):  # noqa: F811
    async def answer(_server, request, writer):
        if request.path == "/mcp":
            send(writer, 307, Location="/next")
        else:
            send(writer, 200, request.headers.get("authorization", "").encode())

    found = get(serve(answer).url, follow=1, headers={"authorization": "Bearer s"})
    assert found.body == b"Bearer s"


def test_a_line_break_in_a_header_is_refused(serve):  # noqa: F811
    server = serve(status(200))
    with pytest.raises(ValueError, match="line break"):
        get(server.url, headers={"X": "a\r\nB: c"})


def test_ports_of_other_protocols_are_closed_at_public_addresses():
    for port in (22, 25, 53, 993):
        with pytest.raises(AddressRefused, match="no port"):
            get(f"http://8.8.8.8:{port}/", rules=PUBLIC_ONLY)


ANSWERS = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    "the end": (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"hi",
    ),
    "an interim answer": (b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b""),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hi"),
        b"hi",
    ),
}
MALFORMED = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk without an end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhix\r\n",
    "an unknown encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nhi",
    "broken gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhi",
    "interim answers for ever": b"HTTP/1.1 100 X\r\n\r\n" * 9,
}


def says(raw, *, piecewise):
    async def answer(_server, _request, writer):
        for at in range(0, len(raw), 1 if piecewise else len(raw)):
            writer.write(raw[at : at + (1 if piecewise else len(raw))])
            await writer.drain()
            await asyncio.sleep(0)
        return False

    return answer


@pytest.mark.parametrize("piecewise", [False, True])
@pytest.mark.parametrize("how", ANSWERS)
def test_a_body_is_read_however_it_ends_and_however_it_comes(serve, how, piecewise):  # noqa: F811
    raw, body = ANSWERS[how]
    found = get(serve(says(raw, piecewise=piecewise)).url, deadline=5)
    assert found.body == body
    assert set(found.phases) == {"connect", "first_byte", "total"}


@pytest.mark.parametrize("how", MALFORMED)
def test_what_is_malformed_is_an_error(serve, how):  # noqa: F811
    with pytest.raises(MalformedAnswer):
        get(serve(says(MALFORMED[how], piecewise=False)).url)


def test_a_body_cut_short_is_an_error(serve):  # noqa: F811
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"
    with pytest.raises(ConnectionError):
        get(serve(says(raw, piecewise=False)).url)


def test_tls_is_verified_and_its_time_is_told(serve, certificate):  # noqa: F811
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = serve(status(200, b"safe"), tls=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        get(server.url, deadline=3)
    trusting = ssl.create_default_context(cafile=certificate)
    found = get(server.url, tls=trusting, deadline=3)
    assert found.body == b"safe"
    assert found.phases["tls"] > 0
    assert "notAfter" in found.certificate
