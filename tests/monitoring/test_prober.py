"""The prober in front of many targets, and of those that mean harm."""

import asyncio
import queue
import socket
import time
import tracemalloc

import pytest

from apps.core.addresses import parse_rules
from apps.monitoring.probes import Look
from apps.monitoring.probes.prober import PER_HOST, host_of, server_of
from tests.monitoring.hostile import HOSTILE, send, silent, status

pytestmark = pytest.mark.slow
HERE = parse_rules([("127.0.0.0/8", []), ("::1/128", [])])
LIMIT = 0.6
# What the finding is called, where the table of harm expects an answer that is cut short.
NEEDLE = {"contains": "needle"}


def at(number, url, *, limit=5.0, memory=None, **parameters):
    return Look(number, "http", {"url": url, **parameters}, limit, memory or {}, HERE)


def carried(prober, looks, patience=20):
    """Findings by the number of the look, and the seconds each took to arrive."""
    found, began, arrived = queue.SimpleQueue(), time.monotonic(), {}
    prober.start(looks, found)
    while len(arrived) < len(looks):
        one, finding = found.get(timeout=patience)
        arrived[one.check_id] = (finding, time.monotonic() - began)
    return arrived


class Counting:
    """Answers after a moment; knows how many asked at one time, over all servers that share it."""

    def __init__(self, takes):
        self.takes, self.now, self.most = takes, 0, 0

    async def __call__(self, _server, _request, writer):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.takes)
        self.now -= 1
        send(writer, 200, b"here")


def test_a_host_is_asked_by_two_at_a_time_whatever_its_ports(prober, serve):
    counting = Counting(0.1)
    urls = [serve(counting).url for _ in range(4)]
    found = carried(prober, [at(number, urls[number % 4]) for number in range(8)])
    assert {finding.found for finding, _ in found.values()} == {"healthy"}
    assert counting.most == PER_HOST


def test_another_host_is_asked_meanwhile(prober, serve):
    counting = Counting(0.3)
    port = serve(status(200)).port
    url = serve(counting).url
    looks = [at(number, url) for number in range(4)] + [at(9, f"http://localhost:{port}/")]
    took = {number: seconds for number, (_, seconds) in carried(prober, looks).items()}
    assert took[9] < 0.3 < took[3]


def test_what_hangs_holds_up_its_own_server_and_no_other_of_its_host(prober, serve):
    hanging, well = serve(silent).url, serve(status(200, b"here")).url
    looks = [at(number, hanging, limit=2.0) for number in range(4)] + [at(9, well)]
    found = carried(prober, looks)
    assert found[9][0].found == "healthy"
    # The first two leave the host after half a second; the other two wait for their server.
    assert found[9][1] < 1.5
    assert [found[number][0].code for number in range(4)] == ["timeout"] * 4
    assert found[1][1] < 3 < found[2][1]


def test_what_hung_last_time_takes_no_place_from_those_that_answer(prober, serve):
    looks = [at(n, serve(silent).url, limit=1.0, memory={"hung": True}) for n in range(12)]
    found = carried(prober, [*looks, at(99, serve(status(200)).url)])
    assert found[99][0].found == "healthy"
    assert found[99][1] < 0.4
    assert max(took for _, took in found.values()) < 2.0


@pytest.mark.parametrize(
    ("kind", "parameters", "server", "host"),
    [
        ("http", {"url": "https://a.example:8443/x"}, "a.example:8443", "a.example"),
        ("mcp", {"url": "http://[::1]:8003/mcp"}, "[::1]:8003", "::1"),
        ("tcp", {"host": "::1", "port": 5432}, "[::1]:5432", "::1"),
        ("postgres", {"host": "db", "port": 5432}, "db:5432", "db"),
        ("disk", {"path": "/"}, "disk", "disk"),
    ],
)
def test_a_server_is_a_host_and_a_port(kind, parameters, server, host):
    found = server_of(Look(1, kind, parameters))
    assert (found, host_of(found)) == (server, host)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_target_that_means_harm_gets_its_deadline_and_a_mebibyte(prober, serve, what):
    url = serve(HOSTILE[what][0]).url
    tracemalloc.start()
    try:
        finding, took = carried(prober, [at(1, url, limit=LIMIT, follow=3, **NEEDLE)])[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took < LIMIT + 0.4
    assert peak < 16 << 20
    assert finding.found not in ("healthy", "unknown"), finding.reason
    assert finding.reason


def test_a_handshake_that_never_comes_ends_at_the_deadline(prober):
    # The kernel takes the connections; nobody ever reads what they say.
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        looks = [
            at(1, f"https://127.0.0.1:{port}/", limit=LIMIT),
            Look(2, "certificate", {"host": "127.0.0.1", "port": port}, LIMIT, {}, HERE),
        ]
        for finding, took in carried(prober, looks).values():
            assert finding.code == "timeout"
            assert took < LIMIT + 0.4
