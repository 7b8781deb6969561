"""A run's log as text, for people and for `text/plain`."""

from __future__ import annotations

from collections.abc import Iterator

from apps.deployments.models import Run, RunEvent

CHUNK = 1000
CONTROL = {code: f"\\x{code:02x}" for code in range(32) if chr(code) not in "\n\t"}


def log_lines(run: Run) -> Iterator[str]:
    """Lines with their line ends, in order. Control characters are shown, never sent."""
    rows = RunEvent.objects.filter(run=run).order_by("sequence")
    for event in rows.iterator(chunk_size=CHUNK):
        yield f"{event.at:%H:%M:%S.%f} {log_line(event)}\n".translate(CONTROL)


def log_line(event: RunEvent) -> str:
    """What one event says, without its time."""
    name = event.urn.rpartition("::")[2]
    if event.kind.startswith("resource_"):
        parts = (event.operation, event.type, name, event.status)
        return " ".join(part for part in parts if part)
    where = f"{name}: " if name else ""
    word = f"{event.severity}: " if event.severity in ("error", "warning") else ""
    return f"{word}{where}{event.message or event.kind}"
