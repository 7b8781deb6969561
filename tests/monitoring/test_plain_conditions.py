"""The plain kinds: http, tcp, process."""

import re
import shutil
import socket
import time

import pytest

from tests.monitoring import hostile
from tests.monitoring.hostile import status


def test_a_page_with_the_wanted_status_and_text_is_healthy(serve, look):
    url = serve(status(200, b"all systems go", kind="text/plain")).url
    assert look("http", url=url).found == "healthy"
    assert look("http", url=url, status=200, contains="systems go").found == "healthy"


def test_another_status_or_text_is_named(serve, look):
    url = serve(status(404, b"nothing", kind="text/plain")).url
    assert look("http", url=url).code == "http_404"
    assert look("http", url=url, status=404).found == "healthy"
    finding = look("http", url=url, status=404, contains="all systems go")
    assert (finding.found, finding.code) == ("protocol_error", "body")
    assert "all systems go" in finding.reason


def test_text_behind_many_pieces_is_found(serve, look):
    body = b"x" * 700_000 + b"needle"
    assert look("http", url=serve(status(200, body)).url, contains="needle").found == "healthy"


def test_an_endless_body_is_read_to_a_mebibyte_only(serve, look):
    began = time.monotonic()
    finding = look("http", url=serve(hostile.endless_body).url, contains="needle")
    assert finding.code == "body"
    assert time.monotonic() - began < 1


def test_a_redirect_is_not_followed(serve, look):
    target = serve(status(200))
    assert look("http", url=serve(status(302, Location=target.url)).url).found == "healthy"
    assert target.requests == []


def test_what_is_silent_ends_at_the_deadline(serve, look):
    began = time.monotonic()
    finding = look("http", url=serve(hostile.silent).url, time_limit=0.3)
    assert finding.code == "timeout"
    assert "took the connection" in finding.reason
    assert finding.memory["hung"] is True
    assert time.monotonic() - began < 0.8


def test_a_port_takes_connections_or_not(look):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert look("tcp", host="127.0.0.1", port=port).found == "healthy"
    finding = look("tcp", host="127.0.0.1", port=port)
    assert (finding.found, finding.code) == ("unreachable", "refused")


def test_without_a_supervisord_nothing_is_known_of_a_process(look):
    finding = look("process", process="memory")
    assert (finding.found, finding.code) == ("unknown", "no_supervisor")


def test_control_characters_of_a_server_are_shown_not_obeyed(serve, look):
    challenge = "Bearer \x1b[31mred"
    finding = look(url=serve(status(401, WWW_Authenticate=challenge)).url)
    assert "\x1b" not in finding.reason


def test_a_name_resolves_or_not_and_to_what_is_expected(look):
    assert look("dns", name="localhost", expected=["127.0.0.1"], time_limit=5).found == "healthy"
    finding = look("dns", name="localhost", expected=["192.0.2.1"], time_limit=5)
    assert (finding.found, finding.code) == ("misconfigured", "other_address")
    assert "192.0.2.1" in finding.reason
    finding = look("dns", name="no-such-host.invalid", time_limit=5)
    assert (finding.found, finding.code) == ("unreachable", "dns")
    assert look("dns", name="a" * 80 + ".example", time_limit=5).code == "dns"


def test_a_disk_has_room_little_room_or_none(look):
    assert look("disk", path="/", free_percent=0).found == "healthy"
    usage = shutil.disk_usage("/")
    free = usage.free / usage.total * 100
    little = look("disk", path="/", free_percent=min(free * 2, 100))
    assert (little.found, little.code) == ("degraded", "space")
    # What is free moves while the test runs; the reason names it to within a percent.
    said = re.match(r"([\d.]+) % of / is free", little.reason)
    assert said is not None
    assert float(said[1]) == pytest.approx(free, abs=1)
    assert look("disk", path="/no/such/folder").code == "path"
