"""What a check is told: a wrong word is refused with the name of the word."""

import pytest

from apps.core.errors import Invalid
from apps.core.permissions import system
from apps.monitoring.choices import CheckKind
from apps.monitoring.models import Check
from apps.monitoring.parameters import KNOWN
from apps.monitoring.services import register_check

GOOD = {
    "http": {"url": "https://example.org:8443/x", "status": 204, "contains": "ok"},
    "mcp": {"url": "http://[::1]:8003/mcp", "slow_ms": 500},
    "tcp": {"host": "127.0.0.1", "port": 5432},
    "process": {"process": "development-memory"},
    "dns": {"name": "localhost", "expected": ["127.0.0.1"]},
    "disk": {"path": "/", "free_percent": 5.5},
    "certificate": {"host": "example.org", "port": 443, "name": "www.example.org", "days": 21},
    "postgres": {
        "host": "db.internal", "database": "a", "user": "a", "password_secret": "pg", "tls": True,
        "query": "SELECT 1", "lag_seconds": 5, "replicas": 2,
    },
    "redis": {"host": "::1", "password_secret": "redis", "role": "master", "replicas": 0},
    "container": {"container": "orchestra-memory_1"},
    "heartbeat": {"every": 3600, "grace": 120},
    "portal": {"part": "broker"},
}  # fmt: skip
BAD = [
    ("http", {}, "url"),
    ("http", {"url": "file:///etc/passwd"}, "url"),
    ("http", {"url": "http://me:secret@example.org/"}, "url"),
    ("http", {"url": "http://"}, "url"),
    ("http", {"url": "http://a:99999/"}, "url"),
    ("http", {"url": "http://[::1/"}, "url"),
    ("http", {"url": "http://a/\r\nX: y"}, "url"),
    ("http", {"url": "http://a/", "status": "200"}, "status"),
    ("http", {"url": "http://a/", "status": True}, "status"),
    ("http", {"url": "http://a/", "status": 99}, "status"),
    ("http", {"url": "http://a/", "contains": ""}, "contains"),
    ("http", {"url": "http://a/", "contians": "x"}, "contians"),
    ("tcp", {"host": "a", "port": 0}, "port"),
    ("tcp", {"host": "a", "port": 65536}, "port"),
    ("tcp", {"host": "a", "port": "80"}, "port"),
    ("tcp", {"host": "", "port": 80}, "host"),
    ("process", {"process": 7}, "process"),
    ("dns", {"name": "a", "expected": "127.0.0.1"}, "expected"),
    ("dns", {"name": "a", "expected": [1]}, "expected"),
    ("disk", {"path": "/", "free_percent": 101}, "free_percent"),
    ("http", {"url": "http://a/", "headers": {"a b": "c"}}, "headers"),
    ("http", {"url": "http://a/", "headers": {"a": "c\r\nd: e"}}, "headers"),
    ("http", {"url": "http://a/", "follow": 4}, "follow"),
    ("http", {"url": "http://a/", "follow": True}, "follow"),
    ("http", {"url": "http://a/", "certificate_days": 0}, "certificate_days"),
    ("certificate", {"host": "a/b"}, "host"),
    ("postgres", {"host": "a", "database": "a", "user": "a", "tls": 1}, "tls"),
    ("postgres", {"host": "a", "database": "a", "user": "a", "password": "x"}, "password"),
    ("redis", {"host": "a", "role": "slave"}, "role"),
    ("container", {"container": "../x"}, "container"),
    ("heartbeat", {"every": 5}, "every"),
    ("heartbeat", {}, "every"),
    ("heartbeat", {"every": 60, "cron": "30 2 * * *"}, "every"),
    ("heartbeat", {"every": 60, "zone": "UTC"}, "zone"),
    ("heartbeat", {"cron": "30 2 * *"}, "cron"),
    ("heartbeat", {"cron": "0 0 31 2 *"}, "cron"),
    ("heartbeat", {"cron": "30 2 * * *", "zone": "Atlantis"}, "zone"),
    ("portal", {"part": "moon"}, "part"),
]
pytestmark = pytest.mark.django_db


def register(kind, parameters, **more):
    given = {"environment": "development", "name": "c", "kind": kind, "parameters": parameters}
    return register_check(system("test"), **{**given, **more})


def test_a_job_comes_every_so_often_or_by_the_clock_of_a_place(development):
    nightly = {"cron": "30 2 * * mon-fri", "zone": "Europe/Berlin", "grace": 600}
    assert register("heartbeat", nightly).parameters == nightly


def test_every_kind_is_known():
    assert set(KNOWN) == set(CheckKind.values) == set(GOOD)


@pytest.mark.parametrize("kind", GOOD)
def test_what_a_kind_reads_is_taken(development, kind):
    assert register(kind, GOOD[kind]).parameters == GOOD[kind]


@pytest.mark.parametrize(("kind", "parameters", "field"), BAD)
def test_what_it_cannot_read_is_named(development, kind, parameters, field):
    with pytest.raises(Invalid) as refusal:
        register(kind, parameters)
    assert refusal.value.code == "check.malformed"
    assert set(refusal.value.errors) == {f"parameters.{field}"}
    assert not Check.objects.exists()


def test_a_kind_that_is_not_there_and_an_interval_that_cannot_be(development):
    with pytest.raises(Invalid) as refusal:
        register("ping", {})
    assert "there are http" in refusal.value.text
    with pytest.raises(Invalid):
        register("disk", {"path": "/"}, interval=0)
