"""
Reads what an MCP server offers: every page of its tools, as raw JSON. The official models would
void the whole list for one bad tool, and drop others without a word.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from apps.monitoring.probes.finding import cut
from apps.monitoring.probes.mcp_wire import Session

PAGES = 50
TOOLS = 2000
NO_SUCH_METHOD = -32601


class ListingFailed(Exception):
    """The list did not arrive whole; what was known before stays."""


@dataclasses.dataclass
class Listing:
    """Tools by name as the server described them; `oddity` says what is wrong with them."""

    tools: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    oddity: str = ""
    code: str = ""

    def odd(self, code: str, sentence: str) -> None:
        """Keeps the first one: it is what a person mends first."""
        if not self.oddity:
            self.code, self.oddity = code, sentence


async def list_tools(session: Session) -> Listing:
    """Every page of `tools/list`. Raises ListingFailed with a sentence."""
    listing, cursors, cursor = Listing(), set[str](), None
    for _ in range(PAGES):
        answer = await session.ask("tools/list", {} if cursor is None else {"cursor": cursor})
        if answer.result is None:
            if answer.error.get("code") == NO_SUCH_METHOD and cursor is None:
                return listing  # a server without tools is a healthy one
            raise ListingFailed(f"tools/list was answered with HTTP {answer.status}, no list.")
        tools = answer.result.get("tools")
        if not isinstance(tools, list):
            raise ListingFailed("tools/list was answered without a list of tools.")
        for tool in tools:
            _take(listing, tool)
        cursor = answer.result.get("nextCursor")
        if cursor is None:
            return listing
        if str(cursor) in cursors or len(listing.tools) > TOOLS:
            break
        cursors.add(str(cursor))
    raise ListingFailed("The list of tools has no end. Correct the server's paging.")


def _take(listing: Listing, tool: Any) -> None:
    """One bad definition costs itself only, not the whole list."""
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or not name:
        listing.odd("invalid_definitions", "A tool has no name. Clients drop the whole list.")
        return
    if not isinstance(tool.get("inputSchema"), dict):
        listing.odd(
            "invalid_definitions",
            f"The tool {cut(name, 60)} has no inputSchema. Clients drop the whole list.",
        )
    listing.tools[name[:200]] = tool
