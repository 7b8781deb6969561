"""Rows of every state that a page must be able to show, and people to look at them."""

import pytest
from django.utils import timezone

from apps.deployments.choices import Operation, RunStatus
from apps.deployments.models import Deployment, Run, RunEvent
from apps.environments.models import Stack
from apps.mcp.models import McpServer, ToolDefinition
from apps.monitoring.models import Check, CheckResult

HOSTILE = '<img src=x onerror="alert(1)">\x1b[31m\u202e'
URN = "urn:pulumi:development::orchestra::orchestra:mcp:McpFleet$orchestra:mcp:Server::memory"


def plan(**counts):
    """A plan with one change for each operation that is counted."""
    summary = dict.fromkeys(("create", "update", "replace", "delete", "same"), 0) | counts
    properties = [
        {
            "path": "version",
            "kind": "update",
            "old": "1",
            "new": HOSTILE,
            "secret": False,
            "forces_replacement": True,
        },
        {
            "path": "apiKey",
            "kind": "update",
            "old": None,
            "new": "secret changed",
            "secret": True,
            "forces_replacement": False,
        },
    ]
    changes = [
        {
            "urn": f"{URN}-{name}",
            "type": "orchestra:mcp:Server",
            "name": f"memory-{name}",
            "operation": name,
            "parent": "",
            "component": False,
            "properties": properties if name in ("update", "replace") else [],
        }
        for name, count in counts.items()
        if count and name != "same"
    ]
    return {"summary": summary, "changes": changes, "has_more": False}


@pytest.fixture
def deployment():
    """Makes a deployment of a status, with the runs such a one has had."""

    def make(environment, status, **fields):
        row = Deployment.objects.create(
            environment=environment,
            status=status,
            requested_by="olga",
            reason=f"because {HOSTILE}",
            revision={"commit": "4f9c2e1b07aa", "branch": "main"},
            **fields,
        )
        preview = run_of(row, Operation.PREVIEW, RunStatus.SUCCEEDED)
        if status in ("applying", "verifying", "succeeded", "failed", "needs_recovery"):
            ends = {"applying": RunStatus.RUNNING, "failed": RunStatus.FAILED}
            ends["needs_recovery"] = RunStatus.LOST
            run_of(row, Operation.UPDATE, ends.get(status, RunStatus.SUCCEEDED))
        return row, preview

    return make


def run_of(row, operation, status):
    now = timezone.now()
    run = Run.objects.create(
        stack=Stack.objects.get(environment=row.environment),
        deployment=row,
        operation=operation,
        status=status,
        requested_by="olga",
        started_at=now,
        finished_at=None if status == RunStatus.RUNNING else now,
        engine_name="embedded",
        last_sequence=3,
    )
    rows = [
        {"kind": "resource_began", "status": "running", "operation": "update"},
        {"kind": "diagnostic", "severity": "error", "message": HOSTILE},
        {"kind": "resource_failed", "status": "failed", "operation": "update"},
    ]
    RunEvent.objects.bulk_create(
        RunEvent(run=run, sequence=number, at=now, urn=f"{URN}-update", **fields)
        for number, fields in enumerate(rows, 1)
    )
    return run


@pytest.fixture
def server():
    """Makes an MCP server with a check, a look that failed, and a tool."""

    def make(environment, health="healthy", **fields):
        check = Check.objects.create(
            environment=environment,
            name="memory",
            kind="mcp",
            health=health,
            health_reason=HOSTILE,
            latency_ms=12.0,
            last_checked_at=timezone.now(),
        )
        CheckResult.objects.create(
            check_row=check,
            at=timezone.now(),
            found=health,
            reason=HOSTILE,
            latency_ms=12.0,
            detail=[{"step": "tcp", "passed": False, "ms": 1.0, "detail": HOSTILE}],
        )
        row = McpServer.objects.create(
            environment=environment,
            slug=f"{environment.slug}-memory",
            name="memory",
            url="http://127.0.0.1:8003/mcp",
            port=8003,
            server_name=HOSTILE,
            check_row=check,
            **fields,
        )
        ToolDefinition.objects.create(
            server=row,
            name=HOSTILE,
            description=HOSTILE,
            definition={},
            digest="",
            last_seen_at=timezone.now(),
        )
        return row

    return make


@pytest.fixture
def busy_places(development, staging, production, deployment, server):
    """Three environments with servers and a past."""
    for place in (development, staging, production):
        server(place)
        for _ in range(3):
            deployment(place, "succeeded", plan=plan(update=1))
