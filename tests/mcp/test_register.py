"""What runs mean for the register of servers, and what listings mean for their tools."""

import socket

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import Refused
from apps.core.permissions import system
from apps.deployments.models import Run
from apps.deployments.signals import run_finished
from apps.environments.models import Port
from apps.live.models import Message
from apps.mcp.models import McpServer, ToolDefinition
from apps.mcp.services import retire_servers, set_wish
from apps.monitoring.models import Check
from apps.monitoring.signals import tools_listed
from tests.mcp.conftest import server

pytestmark = pytest.mark.django_db


def finish(environment, operation, status="succeeded", servers=()):
    run = Run.objects.create(
        stack=environment.stack,
        operation=operation,
        status=status,
        outputs={"mcp_servers": list(servers)},
    )
    run_finished.send(sender=Run, run=run)
    return run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_update_registers_its_servers_with_port_and_two_checks(development):
    run = finish(development, "update", servers=[server()])
    row = McpServer.objects.get(slug="development-memory")
    assert (row.wish, row.deployed_by_run, row.check_row.kind) == ("enabled", run.pk, "mcp")
    assert set(Check.objects.values_list("name", "kind")) == {
        ("memory", "mcp"),
        ("memory process", "process"),
    }
    assert Port.objects.get(port=8003).owner == "memory"
    event = AuditEvent.objects.get(event="mcp.server.registered")
    assert event.actor_name == f"run {run.pk}"


def test_a_second_update_changes_moves_and_retires(development):
    finish(development, "update", servers=[server(), server("code", 8007)])
    finish(development, "update", servers=[server(port=8013, version="2026.9.1")])
    row = McpServer.objects.get(name="memory")
    assert (row.port, row.package_version) == (8013, "2026.9.1")
    assert McpServer.objects.get(name="code").wish == "retired"
    assert set(Port.objects.values_list("port", flat=True)) == {8013}
    assert not Check.objects.filter(name__startswith="code").exists()


@pytest.mark.parametrize("status", ["failed", "errored", "canceled", "lost"])
def test_a_run_that_did_not_succeed_changes_no_register(development, status):
    finish(development, "update", servers=[server()])
    finish(development, "update", status)
    assert McpServer.objects.get().wish == "enabled"


def test_a_preview_changes_no_register(development):
    finish(development, "preview", servers=[server()])
    assert not McpServer.objects.exists()


def test_after_a_destroy_what_no_longer_listens_is_retired(development):
    finish(development, "update", servers=[server(port=free_port())])
    finish(development, "destroy")
    row = McpServer.objects.get()
    assert (row.wish, row.check_row, row.deployed_by_run) == ("retired", None, None)
    assert not Check.objects.exists()
    assert not Port.objects.exists()


def test_after_a_destroy_what_still_listens_stays_and_is_named(development):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        finish(development, "update", servers=[server(port=port)])
        [stays] = retire_servers(system("run 9"), environment="development")
    assert stays.name == "memory"
    assert McpServer.objects.get().wish == "enabled"
    event = AuditEvent.objects.get(event="mcp.server.read_back")
    assert event.detail["still_listening"] == ["memory"]


def test_a_retired_server_comes_back_with_a_deployment(development):
    finish(development, "update", servers=[server(port=free_port())])
    finish(development, "destroy")
    finish(development, "update", servers=[server()])
    row = McpServer.objects.get()
    assert (row.wish, Check.objects.count()) == ("enabled", 2)


def test_a_pause_outlives_a_deployment(development, olga, actor):
    finish(development, "update", servers=[server()])
    set_wish(actor(olga), server="development-memory", wish="paused")
    finish(development, "update", servers=[server()])
    assert McpServer.objects.get().wish == "paused"
    assert not Check.objects.filter(is_enabled=True).exists()


def test_a_retired_server_takes_no_wish(development, olga, actor):
    finish(development, "update", servers=[server(port=free_port())])
    finish(development, "destroy")
    with pytest.raises(Refused) as refusal:
        set_wish(actor(olga), server="development-memory", wish="enabled")
    assert refusal.value.code == "server.retired"


def test_a_port_of_somebody_else_is_refused_with_its_holder(development, staging):
    finish(development, "update", servers=[server()])
    with pytest.raises(Refused) as refusal:
        finish(staging, "update", servers=[server()])
    assert "memory (development)" in refusal.value.text
    assert McpServer.objects.count() == 1


def tell(row, *tools):
    tools_listed.send(Check, check=row.check_row, tools={tool["name"]: tool for tool in tools})


def test_a_listing_is_recorded_with_what_the_server_says_of_itself(register):
    [row] = register(server())
    Check.objects.filter(pk=row.check_row_id).update(
        memory={"era": "modern", "version": "2026-07-28", "server": "s", "server_version": "1"}
    )
    tell(row, {"name": "read", "description": "Reads.", "x": 1})
    row.refresh_from_db()
    assert (row.era, row.protocol_version, row.server_name) == ("modern", "2026-07-28", "s")
    assert row.inventory_at is not None
    assert row.tools.get().definition == {"name": "read", "description": "Reads.", "x": 1}


def test_what_changed_in_the_tools_is_named_and_a_repetition_is_not(register):
    [row] = register(server())
    tell(row, {"name": "a", "v": 1}, {"name": "b"})
    Message.objects.all().delete()
    tell(row, {"name": "b"}, {"v": 1, "name": "a"})
    assert AuditEvent.objects.filter(event="mcp.inventory.changed").count() == 1
    assert not Message.objects.exists()
    tell(row, {"name": "a", "v": 2}, {"name": "c"})
    detail = AuditEvent.objects.filter(event="mcp.inventory.changed").latest("pk").detail
    assert detail == {"added": ["c"], "removed": ["b"], "changed": ["a"]}
    assert set(Message.objects.values_list("topic", flat=True)) == {
        "mcp:development-memory",
        "environment:development",
    }
    assert set(ToolDefinition.objects.values_list("name", flat=True)) == {"a", "c"}


def test_a_listing_of_a_check_without_a_server_is_nobodys(development, register):
    [row] = register(server())
    lonely = Check.objects.create(environment=development, name="x", kind="mcp")
    tools_listed.send(Check, check=lonely, tools={"a": {"name": "a"}})
    assert not row.tools.exists()
