"""Records what the prober listed: the tools of a server and what it says of itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.live.services import announce
from apps.mcp.models import McpServer, ToolDefinition
from apps.monitoring.models import Check

PROBER = system("prober")


def record_listing(check: Check, tools: dict[str, dict[str, Any]]) -> None:
    """Writes a complete listing of a check's server; other checks have none."""
    row = McpServer.objects.select_related("environment", "check_row").filter(check_row=check)
    if server := row.first():
        record_inventory(server, tools, facts_of(server))


def facts_of(row: McpServer) -> dict[str, Any]:
    """What the prober learned of the server, for its row."""
    memory = row.check_row.memory if row.check_row else {}
    return {
        "era": memory.get("era", ""),
        "protocol_version": memory.get("version", ""),
        "server_name": memory.get("server", ""),
        "server_version": memory.get("server_version", ""),
        "capabilities": memory.get("capabilities", {}),
    }


def record_inventory(
    row: McpServer, tools: dict[str, dict[str, Any]], facts: dict[str, Any]
) -> None:
    """Writes a complete listing of a server's tools; a failed one never comes here."""
    now = timezone.now()
    after = {name: digest_of(tool) for name, tool in tools.items()}
    with transaction.atomic():
        before = dict(row.tools.values_list("name", "digest"))
        for name, tool in tools.items():
            ToolDefinition.objects.update_or_create(
                server=row,
                name=name,
                defaults={
                    "description": str(tool.get("description") or ""),
                    "definition": tool,
                    "digest": after[name],
                    "last_seen_at": now,
                },
            )
        row.tools.exclude(name__in=after).delete()
        McpServer.objects.filter(pk=row.pk).update(inventory_at=now, **facts)
        if before != after:
            announce_inventory(row, before, after)


def announce_inventory(row: McpServer, before: dict[str, str], after: dict[str, str]) -> None:
    """An audit row and a message that name what was added, removed and changed."""
    slug = row.environment.slug
    record(
        PROBER,
        "mcp.inventory.changed",
        row,
        environment=slug,
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=sorted(
            name for name in after.keys() & before.keys() if after[name] != before[name]
        ),
    )
    announce(f"mcp:{row.slug}", "inventory.changed", tools=len(after))
    announce(f"environment:{slug}", "inventory.changed", server=row.slug)


def digest_of(tool: dict[str, Any]) -> str:
    """SHA-256 of the canonical definition; the order of keys means nothing."""
    text = json.dumps(tool, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
