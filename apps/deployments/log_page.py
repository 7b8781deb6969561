"""The page of a run's log: which lines it shows, and where they stand among all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.permissions import Actor, may
from apps.deployments.models import Run, RunEvent

LINES = 500
# Chip of the bar → what it shows. What an engine prints on stderr is no error of its own.
SHOWS: dict[str, tuple[str, Q]] = {
    "all": ("All", Q()),
    "changes": ("Changes", Q(kind__startswith="resource_")),
    "warnings": ("Warnings", Q(severity="warning")),
    "errors": ("Errors", Q(severity="error") & ~Q(kind="output")),
}


def log_page(actor: Actor, run: Run, given: Mapping[str, str]) -> dict[str, Any]:
    """The last 500 lines, or those that the address asks for: `show`, `q`, `before`, `after`."""
    show = given.get("show", "all") if given.get("show", "all") in SHOWS else "all"
    query = given.get("q", "").strip()
    numbers = {name: _number(given.get(name, "")) for name in ("before", "after", "line")}
    rows = run.events.filter(SHOWS[show][1])
    if query:
        rows = rows.filter(Q(message__icontains=query) | Q(urn__icontains=query))
    lines = _window(rows, **numbers)
    is_whole = show == "all" and not query
    first, last = (lines[0].sequence, lines[-1].sequence) if lines else (0, 0)
    return {
        "run": run,
        "environment": run.stack.environment,
        "band_facts": [f"Run {run.pk}", run.get_operation_display().lower()],
        "title": f"Log of {run}",
        "lines": lines,
        "show": show,
        "time": "clock" if given.get("time") == "clock" else "since",
        "started": run.started_at or run.requested_at,
        "shows": [(name, words) for name, (words, _) in SHOWS.items()],
        "q": query,
        "is_whole": is_whole,
        # Only a log that ends at its newest line takes the lines as they come.
        "is_at_end": is_whole and last >= run.last_sequence,
        "first": first,
        "last": last,
        "can_cancel": may(actor, "cancel", run.stack.environment.slug) and not run.is_terminal,
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _window(
    rows: QuerySet[RunEvent], *, before: int | None, after: int | None, line: int | None
) -> list[RunEvent]:
    if line is not None:
        after = max(0, line - LINES // 2)
    if after is not None:
        return list(rows.filter(sequence__gt=after).order_by("sequence")[:LINES])
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    return list(reversed(rows.order_by("-sequence")[:LINES]))
