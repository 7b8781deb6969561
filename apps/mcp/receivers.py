"""What news from below means for the register of servers."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from apps.core.permissions import system
from apps.deployments.choices import Operation, RunStatus
from apps.deployments.models import Run
from apps.deployments.signals import run_finished
from apps.mcp.runner import record_listing
from apps.mcp.services import register_servers, retire_servers
from apps.monitoring.models import Check
from apps.monitoring.signals import tools_listed


@receiver(run_finished)
def settle_register(run: Run, **_: Any) -> None:
    """An update's outputs are the register; a destroy leaves none."""
    if run.status == RunStatus.SUCCEEDED and run.operation in (Operation.UPDATE, Operation.DESTROY):
        _settle(run, run.stack.environment.slug)


def _settle(run: Run, slug: str) -> None:
    actor = system(f"run {run.pk}")
    if run.operation == Operation.DESTROY:
        retire_servers(actor, environment=slug)
    else:
        servers = run.outputs.get("mcp_servers") or []
        register_servers(actor, environment=slug, servers=servers, run=run.pk)


@receiver(tools_listed)
def record_tools(check: Check, tools: dict[str, dict[str, Any]], **_: Any) -> None:
    record_listing(check, tools)
