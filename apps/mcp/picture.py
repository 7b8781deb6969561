"""What the page of one MCP server shows, computed from rows; nothing is changed here."""

from __future__ import annotations

from typing import Any

from apps.core.confirming import why_not
from apps.core.permissions import Actor
from apps.live.sequences import last_sequence
from apps.mcp.models import McpServer
from apps.mcp.strip import LOOKS, bars, in_words, latency
from apps.monitoring.choices import Health


def picture(actor: Actor, row: McpServer) -> dict[str, Any]:
    """Looks, inventory, and what the actor may do."""
    watch = row.check_row
    results = list(watch.results.all()[:LOOKS]) if watch else []
    refusal = why_not(actor, "check", row.environment.slug)
    return {
        "watch": watch,
        "tools": list(row.tools.all()),
        "results": results,
        "bars": bars(results),
        "bars_words": in_words(results),
        "latency": latency(results),
        "failed": next((found for found in results if found.state != Health.HEALTHY), None),
        "may_check": refusal is None,
        "refusal": refusal,
        "after": last_sequence(),
    }
