"""Ports: one owner by the database's word, a look at the host, the holder by name."""

import os
import socket
import threading

import pytest
from django.db import IntegrityError, connection
from django.urls import reverse
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.environments.choices import PortState
from apps.environments.models import Port
from apps.environments.port_states import free_after, listening
from apps.environments.services import allocate_port, allocating, release_port
from tests.conftest import make_environment, person

HOST = "127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@pytest.fixture
def door(olga):
    made = APIClient()
    made.force_authenticate(olga)
    made.force_login(olga)
    return made


def test_a_strangers_process_is_named_with_the_next_free_port(development, olga, actor):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Refused) as refusal:
            allocate_port(
                actor(olga),
                environment="development",
                host=HOST,
                port=port,
                owner="memory",
                look=True,
            )
        assert refusal.value.code == "port.taken"
        assert f"pid {os.getpid()}" in refusal.value.text
        assert "Nothing was changed. Next free port: " in refusal.value.text
        suggested = int(refusal.value.next_step.rpartition(" ")[2].rstrip("."))
        assert suggested > port
        assert not Port.objects.exists()
    row = allocate_port(
        actor(olga), environment="development", host=HOST, port=port, owner="memory", look=True
    )
    assert listening(row).state == PortState.FREE


def test_the_suggestion_is_neither_allocated_nor_listened_on(development, olga, actor):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        after = free_after(HOST, port - 1)
        assert after != port
        allocate_port(actor(olga), environment="development", host=HOST, port=after, owner="memory")
        assert free_after(HOST, port - 1) not in (port, after)
    assert free_after("192.0.2.1", 8000) == 8001
    assert free_after(HOST, 65535) is None


@pytest.mark.parametrize(("first", "second"), [("0.0.0.0", HOST), (HOST, "0.0.0.0")])
def test_a_listener_on_all_addresses_conflicts_with_each_of_them(
    development, staging, olga, actor, first, second
):
    port = free_port()
    allocate_port(actor(olga), environment="development", host=first, port=port, owner="memory")
    with pytest.raises(Refused) as refusal:
        allocate_port(actor(olga), environment="staging", host=second, port=port, owner="memory")
    assert f"belongs to memory (development) by its claim on {first}" in refusal.value.text


def test_udp_and_tcp_are_two_ports(development, olga, actor):
    for protocol in ("tcp", "udp"):
        allocate_port(
            actor(olga),
            environment="development",
            host=HOST,
            port=5353,
            owner="names",
            protocol=protocol,
        )
    assert listening(Port.objects.get(protocol="udp")).state == PortState.UNKNOWN
    release_port(actor(olga), environment="development", host=HOST, port=5353, protocol="udp")
    assert Port.objects.get().protocol == "tcp"
    assert AuditEvent.objects.filter(event="environments.port.released").count() == 1


def test_the_one_who_loses_the_race_is_told_who_won(development, staging, olga, actor, monkeypatch):
    port = free_port()
    Port.objects.create(environment=staging, host=HOST, port=port, owner="theirs")
    answers = iter([None, Port.objects.select_related("environment").get()])
    monkeypatch.setattr(allocating, "in_the_way", lambda *_: next(answers))
    with pytest.raises(Refused) as refusal:
        allocate_port(actor(olga), environment="development", host=HOST, port=port, owner="memory")
    assert "belongs to theirs (staging)" in refusal.value.text


def test_of_many_at_once_one_gets_the_port(transactional_db, actor):
    for number in range(4):
        make_environment(f"place-{number}", "development", number + 1, "teal")
    who, port, outcomes = actor(person("olga", "operator")), free_port(), []

    def claim(number):
        try:
            allocate_port(
                who, environment=f"place-{number}", host=HOST, port=port, owner=f"o{number}"
            )
            outcomes.append("won")
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["port.taken"] * 3 + ["won"]
    assert Port.objects.filter(port=port).count() == 1


def test_the_database_itself_refuses_a_second_owner(development, staging):
    Port.objects.create(environment=development, host=HOST, port=9100, owner="a")
    with pytest.raises(IntegrityError):
        Port.objects.create(environment=staging, host=HOST, port=9100, owner="b")


def test_nonsense_and_a_viewer_are_refused(development, olga, vic, actor):
    with pytest.raises(Invalid):
        allocate_port(actor(olga), environment="development", host=HOST, port=70000, owner="x")
    with pytest.raises(Forbidden):
        allocate_port(actor(vic), environment="development", host=HOST, port=9100, owner="x")


def test_rest_allocates_shows_the_holder_and_gives_back(development, door):
    base = "/api/v1/environments/development/ports/"
    free = door.post(f"{base}free/", {"host": HOST, "after": 20000}).json()["port"]
    assert free > 20000
    made = door.post(base, {"port": free, "owner": "memory", "note": "a note"})
    assert made.status_code == 201
    assert made.json()["state"] == "free"
    with socket.create_server((HOST, free)):
        (row,) = door.get(base).json()
        assert row["state"] == "foreign"
        assert row["holders"][0]["pid"] == os.getpid()
    assert door.post(base, {"owner": "another"}).json()["port"] > 1024
    again = door.post(base, {"port": free, "owner": "somebody else"})
    assert again.status_code == 409
    assert again.json()["code"] == "port.taken"
    assert again.json()["blocked_by"][0]["code"] == "port.taken"
    assert door.delete(f"{base}{row['id']}/").status_code == 204
    assert door.delete(f"{base}{row['id']}/").status_code == 404


def test_the_admin_shows_who_listens_and_asks_before_it_changes(development, olga, vic, client):
    client.force_login(olga)
    ask = reverse("admin:environments_port_allocate", args=["development"])
    assert "Allocate the port to development" in client.get(ask).content.decode()
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        given = {"host": HOST, "port": str(port), "owner": "memory", "note": ""}
        answer = client.post(ask, given)
        assert answer.status_code == 409
        assert f"pid {os.getpid()}" in answer.content.decode()
        Port.objects.create(environment=development, host=HOST, port=port, owner="memory")
        text = client.get(reverse("admin:environments_port_changelist")).content.decode()
        assert f"pid {os.getpid()}" in text
        assert "Allocate to development…" in text
    assert client.post(ask, given | {"port": "eight"}).status_code == 400
    assert client.post(ask, given | {"port": str(free_port())}).status_code == 302
    row = Port.objects.get(port=port)
    give_back = reverse("admin:environments_port_release", args=[row.pk])
    assert "No process is stopped" in client.get(give_back).content.decode()
    client.force_login(vic)
    assert client.post(give_back).status_code == 403
    client.force_login(olga)
    assert client.post(give_back).status_code == 302
    assert not Port.objects.filter(pk=row.pk).exists()
    assert client.get(give_back).status_code == 404
