"""certificate, postgres, redis, container, heartbeat, portal, and what http expects."""

import asyncio
import contextlib
import datetime as dt
import json
import socket
import ssl
import threading
import time

import pytest
import time_machine

from apps.core import safe_http
from apps.monitoring.probes.container import look_at_container
from apps.monitoring.probes.finding import Finding, Look
from apps.monitoring.probes.told import look_at_heartbeat, look_at_part
from tests.monitoring import hostile
from tests.monitoring.hostile import status


def test_headers_texts_and_slowness_are_expected(serve, look):
    url = serve(status(200, b"all good, no trouble", kind="text/plain", X_Powered="Engine 4")).url
    assert look("http", url=url, headers={"x-powered": "engine"}).found == "healthy"
    finding = look("http", url=url, headers={"X-Powered": "engine 5"})
    assert (finding.found, finding.code) == ("protocol_error", "header")
    assert "Engine 4" in finding.reason
    assert "without the header X-Frame" in look("http", url=url, headers={"X-Frame": "a"}).reason
    assert look("http", url=url, lacks="trouble").code == "body"
    slow = serve(hostile.modern(delay=0.1)).url
    assert look("http", url=slow, status=404).found == "healthy"


def test_a_look_over_http_shows_its_phases(serve, look):
    finding = look("http", url=serve(status(200)).url)
    assert [step["step"] for step in finding.steps] == ["connect", "request"]
    request = finding.steps[-1]
    assert 0 < request["first_byte_ms"] <= request["ms"] == finding.latency_ms


def test_a_token_is_sent_by_reference_and_shown_nowhere(serve, look):
    async def answer(_server, request, writer):
        said = request.headers.get("authorization", "")
        hostile.send(writer, 200, b"", X_Echo=said)

    url = serve(answer).url
    given = {"url": url, "bearer_secret": "token", "headers": {"X-Echo": "nothing"}}
    finding = look("http", secrets={"token": "s3cret-value"}, **given)
    assert finding.code == "header"
    assert "•••" in finding.reason
    assert "s3cret-value" not in repr(finding)
    assert look("http", **given).code == "no_secret"


def test_what_no_rule_allows_is_refused_by_policy(look):
    for url in ("http://169.254.169.254/", "http://10.1.2.3:9/", "https://[fd00::1]/"):
        finding = look("http", url=url)
        assert (finding.found, finding.code) == ("misconfigured", "policy"), url
    assert look("mcp", url="http://10.1.2.3:9/mcp").code == "policy"
    assert look("tcp", host="10.1.2.3", port=9).code == "policy"
    assert look("redis", host="10.1.2.3").code == "policy"
    assert look("postgres", host="10.1.2.3", database="a", user="a").code == "policy"


@pytest.fixture
def trusting(certificate, monkeypatch):
    """The process trusts the test's certificate."""
    from apps.monitoring.probes import web

    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(web, "default_tls", lambda: context)
    monkeypatch.setattr(safe_http, "default_tls", lambda: context)


def tls_server(serve, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return serve(status(200), tls=context)


def test_a_certificate_has_days_left_or_too_few(serve, look, certificate, trusting):
    server = tls_server(serve, certificate)
    finding = look("certificate", host="127.0.0.1", port=server.port, days=1, time_limit=3)
    # It was made for one day, some moments ago.
    assert (finding.found, finding.code) == ("degraded", "certificate_ends")
    assert finding.memory["days_left"] == 0
    assert [step["step"] for step in finding.steps] == ["connect", "tls"]
    finding = look("http", url=server.url, certificate_days=5, time_limit=3)
    assert finding.code == "certificate_ends"
    assert "tls" in [step["step"] for step in finding.steps]
    finding = look("certificate", host="127.0.0.1", name="other", port=server.port, time_limit=3)
    assert finding.code == "tls_untrusted"


def test_a_certificate_that_nobody_vouches_for_is_no_certificate(serve, look, certificate):
    server = tls_server(serve, certificate)
    assert look("certificate", host="127.0.0.1", port=server.port).code == "tls_untrusted"


@pytest.mark.postgres
def test_a_postgres_server_answers_refuses_or_lags(postgres_server, look):
    given = {"host": "127.0.0.1", "port": postgres_server.port, "user": "portal"}
    given |= {"database": "postgres", "password_secret": "pg", "time_limit": 5}
    right = {"pg": postgres_server.password}
    until = time.monotonic() + 20
    while look("postgres", secrets=right, **given).found != "healthy":
        assert time.monotonic() < until, "it never took a session"
        time.sleep(0.1)
    well = look("postgres", secrets=right, **given)
    assert (well.found, [s["step"] for s in well.steps]) == ("healthy", ["connect", "query"])
    assert well.steps[0]["detail"].startswith("PostgreSQL ")
    assert look("postgres", secrets={"pg": "wrong"}, **given).code == "credentials"
    assert look("postgres", secrets=right, **{**given, "database": "no"}).code == "no_database"
    assert look("postgres", secrets=right, query="SELECT false", **given).code == "query"
    writing = look("postgres", secrets=right, query="CREATE TABLE t (a int)", **given)
    assert (writing.code, "read-only" in writing.reason) == ("query_refused", True)
    lonely = look("postgres", secrets=right, replicas=1, **given)
    assert (lonely.found, lonely.code) == ("degraded", "replicas")
    assert look("postgres", secrets=right, lag_seconds=5, **given).code == "lag"
    hanging = {**given, "time_limit": 0.5}
    assert look("postgres", secrets=right, query="SELECT pg_sleep(9)", **hanging).code == "timeout"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = look("postgres", secrets=right, **{**given, "port": free.getsockname()[1]})
    assert gone.code == "refused"


@pytest.mark.redis
def test_a_redis_server_answers_or_refuses(redis_server, look):
    port = int(redis_server.rpartition(":")[2].partition("/")[0])
    given = {"host": "127.0.0.1", "port": port, "time_limit": 5}
    finding = look("redis", **given)
    assert (finding.found, finding.steps[-1]["detail"]) == ("healthy", "PONG")
    assert look("redis", role="master", **given).found == "healthy"
    assert look("redis", role="replica", **given).code == "role"
    assert look("redis", role="master", replicas=1, **given).code == "replicas"
    finding = look("redis", password_secret="r", secrets={"r": "wrong"}, **given)
    assert (finding.found, finding.code) == ("auth_required", "credentials")


def test_what_is_no_redis_is_named(serve, look):
    port = serve(status(200)).port
    assert look("redis", host="127.0.0.1", port=port).found in ("protocol_error", "unreachable")


@contextlib.contextmanager
def engine(path, answers):
    """An HTTP server on a unix socket that answers as a container engine does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(4096).split(b" ")[1].decode()
                code, body = answers.get(asked, (404, {"message": "No such container"}))
                raw = json.dumps(body).encode()
                head = f"HTTP/1.1 {code} X\r\nTransfer-Encoding: chunked\r\n\r\n{len(raw):x}\r\n"
                connection.sendall(head.encode() + raw + b"\r\n0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def container(path, name, memory=None):
    look = Look(1, "container", {"container": name}, memory=memory or {})
    return asyncio.run(look_at_container(look, Finding(memory=memory or {}), str(path)))


def test_a_container_runs_restarts_stops_or_is_gone(tmp_path):
    def state(**more):
        return 200, {"State": {"Status": "running", "StartedAt": "t1", "ExitCode": 0, **more}}

    answers = {
        "/containers/good/json": state(),
        "/containers/sick/json": state(Health={"Status": "unhealthy"}),
        "/containers/young/json": state(Health={"Status": "starting"}),
        "/containers/ended/json": state(Status="exited", ExitCode=137),
        "/containers/odd/json": (200, {"State": 7}),
        "/containers/broken/json": (500, {}),
    }
    path = tmp_path / "docker.sock"
    with engine(path, answers):
        good = container(path, "good")
        assert (good.found, good.memory) == ("healthy", {"started": "t1"})
        assert container(path, "good", {"started": "t0"}).code == "restarted"
        assert container(path, "sick").code == "unhealthy"
        assert container(path, "young").found == "degraded"
        ended = container(path, "ended")
        assert (ended.code, "137" in ended.reason) == ("not_running", True)
        assert container(path, "nobody").code == "no_container"
        assert container(path, "odd").found == container(path, "broken").found == "unknown"


def test_without_a_container_engine_nothing_is_known(look):
    finding = look("container", container="memory")
    assert (finding.found, finding.code) == ("unknown", "no_engine")
    assert "/nonexistent/docker.sock" in finding.reason


def test_a_job_that_does_not_call_in_is_late(look):
    now = time.time()
    wanted = {"every": 60, "grace": 10}
    assert look("heartbeat", facts={"called_at": now - 65}, **wanted).found == "healthy"
    late = look("heartbeat", facts={"called_at": now - 75}, **wanted)
    assert (late.found, late.code) == ("unreachable", "late")
    assert "75 s ago" in late.reason
    waiting = look("heartbeat", facts={"called_at": None, "since": now}, **wanted)
    assert (waiting.found, waiting.code) == ("unknown", "waiting")
    never = look("heartbeat", facts={"called_at": None, "since": now - 100}, **wanted)
    assert never.code == "late"


NIGHTLY = {"cron": "30 2 * * *", "zone": "Europe/Berlin", "grace": 600}
# The clock skips 02:30 on 29 March, and shows it twice on 25 October.
NIGHTS = [
    ("2026-03-28T01:31", "2026-03-29T01:09", "healthy"),
    ("2026-03-28T01:31", "2026-03-29T01:11", "unreachable"),
    ("2026-03-29T01:01", "2026-03-30T00:39", "healthy"),
    ("2026-03-29T01:01", "2026-03-30T00:41", "unreachable"),
    ("2026-10-24T00:31", "2026-10-25T00:39", "healthy"),
    ("2026-10-24T00:31", "2026-10-25T00:41", "unreachable"),
    ("2026-10-25T00:31", "2026-10-25T02:30", "healthy"),
    ("2026-10-25T00:31", "2026-10-26T01:39", "healthy"),
    ("2026-10-25T00:31", "2026-10-26T01:41", "unreachable"),
    # Half a minute early is not a day late.
    ("2026-06-01T00:29", "2026-06-01T00:50", "healthy"),
]


@pytest.mark.parametrize(("called", "now", "found"), NIGHTS)
def test_a_nightly_job_is_due_by_the_clock_of_its_place(called, now, found):
    at = dt.datetime.fromisoformat(f"{called}:30+00:00").timestamp()
    asked = Look(1, "heartbeat", NIGHTLY, facts={"called_at": at})
    with time_machine.travel(f"{now}:00+00:00", tick=False):
        finding = asyncio.run(look_at_heartbeat(asked, Finding()))
    assert finding.found == found
    if found != "healthy":
        assert "02:30 Europe/Berlin" in finding.reason or "03:00 Europe/Berlin" in finding.reason


def test_a_part_of_the_portal_answers_for_itself():
    parts = {"database": lambda: "passed", "broker": lambda: "failed: OperationalError"}

    def act(part):
        look = Look(1, "portal", {"part": part})
        return asyncio.run(look_at_part(look, Finding(), parts))

    assert act("database").found == "healthy"
    assert (act("broker").found, act("broker").code) == ("unreachable", "part_broker")
