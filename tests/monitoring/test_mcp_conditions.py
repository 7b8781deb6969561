"""What each condition of an MCP server is called, and that a person learns what to do."""

import queue
import socket
import ssl
import time

import pytest

from apps.monitoring.probes import Look, Prober
from tests.monitoring import hostile
from tests.monitoring.conftest import HERE
from tests.monitoring.hostile import handshake, modern, status, tool


@pytest.mark.parametrize("refusal", [400, 404, 500, 200])
def test_a_handshake_server_is_healthy_however_it_refuses_discovery(serve, look, refusal):
    server = serve(handshake(refusal))
    finding = look(url=server.url)
    assert (finding.found, finding.memory["era"]) == ("healthy", "handshake")
    assert finding.memory["version"] == hostile.HANDSHAKE
    assert list(finding.tools) == ["read"]
    assert server.sessions == set()


def test_a_modern_server_is_healthy_and_remembered(serve, look):
    finding = look(url=serve(modern()).url)
    assert (finding.found, finding.memory["era"]) == ("healthy", "modern")
    assert finding.memory["server"] == "modern"
    assert list(finding.tools) == ["read", "write"]


CONDITIONS = {
    "takes the connection and is silent": (hostile.silent, "unreachable", "timeout"),
    "drips comments for ever": (hostile.drips_comments, "unreachable", "timeout"),
    "closes at once": (hostile.closes_at_once, "unreachable", "dropped"),
    "502": (status(502), "unreachable", "upstream_5xx"),
    "503": (status(503), "unreachable", "upstream_5xx"),
    "504": (status(504), "unreachable", "upstream_5xx"),
    "401": (status(401, WWW_Authenticate="Bearer"), "auth_required", "credentials"),
    "403 for a scope": (
        status(403, WWW_Authenticate='Bearer error="insufficient_scope"'),
        "auth_required",
        "scope",
    ),
    "403": (status(403), "misconfigured", "origin"),
    "421": (status(421), "misconfigured", "host"),
    "404": (status(404, b"Not Found", kind="text/plain"), "misconfigured", "no_endpoint"),
    "405": (status(405), "misconfigured", "no_endpoint"),
    "a redirect": (status(307, Location="http://127.0.0.1:9/"), "misconfigured", "redirect"),
    "429": (status(429, Retry_After="30"), "degraded", "rate_limited"),
    "500 in both eras": (status(500), "protocol_error", "http_500"),
    "a page": (status(200, b"<html>hi</html>", kind="text/html"), "protocol_error", "not_mcp"),
    "plain JSON": (status(200, {"hello": 1}), "protocol_error", "not_mcp"),
    "broken JSON": (status(200, b'{"jsonrpc"'), "protocol_error", "not_mcp"),
    "202 to a request": (status(202), "protocol_error", "not_mcp"),
    "another id": (hostile.wrong_id, "protocol_error", "not_mcp"),
    "an endless body": (hostile.endless_body, "protocol_error", "not_mcp"),
    "other versions": (hostile.other_versions, "incompatible", "version"),
    "an unknown version": (handshake(version="1999-01-01"), "incompatible", "version"),
    "the old transport": (hostile.old_transport, "incompatible", "legacy_sse"),
    "slow": (modern(delay=0.3), "degraded", "slow"),
    "a tool without a schema": (
        modern([tool("good"), {"name": "bad"}]),
        "degraded",
        "invalid_definitions",
    ),
    "a tool without a name": (modern([tool("good"), {}]), "degraded", "invalid_definitions"),
    "pages without end": (modern(listing=hostile.pages(None)), "degraded", "listing_failed"),
    "one cursor for ever": (modern(listing=hostile.same_cursor), "degraded", "listing_failed"),
    "no list": (modern(listing=hostile.refuses_to_list), "degraded", "listing_failed"),
}  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_has_its_class_a_reason_and_a_next_step(serve, look, condition):
    answer, found, code = CONDITIONS[condition]
    began = time.monotonic()
    finding = look(url=serve(answer).url, slow_ms=200)
    assert (finding.found, finding.code) == (found, code)
    assert finding.reason.count(".") + finding.reason.count(":") >= 1
    assert len(finding.reason) <= 300
    assert time.monotonic() - began < 1.5, "a look ends at its deadline"


def test_nothing_listens(look):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    finding = look(url=f"http://127.0.0.1:{port}/mcp")
    assert (finding.found, finding.code) == ("unreachable", "refused")
    assert str(port) in finding.reason


def test_a_name_nobody_knows(look):
    finding = look(url="http://no-such-host.invalid/mcp", time_limit=5)
    assert (finding.found, finding.code) == ("unreachable", "dns")


def test_plain_http_behind_an_https_address(serve, look):
    url = serve(modern()).url.replace("http:", "https:")
    finding = look(url=url)
    assert (finding.found, finding.code) == ("unreachable", "tls_handshake")


def test_a_certificate_nobody_vouches_for(serve, look, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    finding = look(url=serve(modern(), tls=context).url)
    assert (finding.found, finding.code) == ("unreachable", "tls_untrusted")


def test_every_page_of_the_tools_is_read(serve, look):
    finding = look(url=serve(modern(listing=hostile.pages(12))).url)
    assert finding.found == "healthy"
    assert len(finding.tools) == 12


def test_a_long_line_of_an_event_stream_is_read_whole(serve, look):
    finding = look(url=serve(modern(listing=hostile.lists_in_one_long_line)).url)
    assert finding.found == "healthy"
    assert len(finding.tools["long"]["description"]) == 600_000


def test_a_failed_listing_brings_no_tools(serve, look):
    finding = look(url=serve(modern(listing=hostile.refuses_to_list)).url)
    assert finding.tools is None


def test_tools_are_listed_every_five_minutes_only(serve, look):
    server = serve(modern())
    first = look(url=server.url)
    again = look(url=server.url, memory=first.memory)
    assert (first.tools is not None, again.tools) == (True, None)
    long_ago = look(url=server.url, memory={**first.memory, "deep_at": time.time() - 301})
    assert long_ago.tools is not None


def test_what_was_odd_about_the_tools_stays_until_they_are_listed_again(serve, look):
    server = serve(modern([{"name": "bad"}]))
    first = look(url=server.url)
    again = look(url=server.url, memory=first.memory)
    assert (again.found, again.code, again.tools) == ("degraded", "invalid_definitions", None)


def test_the_stored_era_is_asked_first_and_the_other_before_a_failure_counts(serve, look):
    old, new = serve(handshake()), serve(modern())
    look(url=old.url, memory={"era": "handshake", "deep_at": time.time(), "capabilities": {}})
    asked = [request.message.get("method") for request in old.requests]
    assert "server/discover" not in asked
    finding = look(url=new.url, memory={"era": "handshake"})
    assert (finding.found, finding.memory["era"]) == ("healthy", "modern")


def test_a_look_shows_where_its_time_went(serve, look):
    finding = look(url=serve(modern()).url)
    assert [step["step"] for step in finding.steps] == ["connect", "server/discover", "tools/list"]
    assert all(step["passed"] and step["ms"] >= 0 for step in finding.steps)
    assert finding.steps[1]["first_byte_ms"] <= finding.steps[1]["ms"]


def test_a_request_to_wait_is_remembered(serve, look):
    assert look(url=serve(status(429, Retry_After="30")).url).wait == 30
    assert look(url=serve(status(429, Retry_After="99999")).url).wait == 300


def test_a_prober_that_goes_ends_the_sessions_of_looks_under_way(serve):
    server = serve(handshake(hang="tools/list"))
    prober, found = Prober(), queue.SimpleQueue()
    prober.start([Look(1, "mcp", {"url": server.url}, 5, {"era": "handshake"}, HERE)], found)
    until = time.monotonic() + 3
    while not server.sessions and time.monotonic() < until:
        time.sleep(0.01)
    assert len(server.sessions) == 1
    began = time.monotonic()
    prober.close(patience=0.2)
    assert time.monotonic() - began < 3
    assert server.sessions == set()
    assert found.empty(), "a look that was broken off found nothing out"


@pytest.mark.slow
def test_no_session_is_left_after_fifty_looks_deadlines_among_them(serve, look):
    servers = [
        serve(handshake()),
        serve(handshake(delay=0.3)),  # the deadline strikes while it answers
        serve(handshake(hang="tools/list")),  # and here while it lists
    ]
    for number in range(50):
        server = servers[1] if number % 5 == 0 else servers[0]
        look(url=server.url, time_limit=0.2, memory={"era": "handshake"})
    given = [r for s in servers for r in s.requests if r.message.get("method") == "initialize"]
    assert len(given) >= 50
    until = time.monotonic() + 3
    while any(server.sessions for server in servers) and time.monotonic() < until:
        time.sleep(0.02)
    assert [len(server.sessions) for server in servers] == [0, 0, 0]
