"""What the engine's events say about how a run went. Passes every event on first."""

import threading
from typing import Any

from infra.engine_host.protocol import Lines

KEPT = 100  # error diagnostics; a failed run has two or three


class Journal:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self.errors: list[tuple[str, str]] = []  # (urn or "", message)
        self.failed_urns: list[str] = []
        self.changes: dict[str, int] = {}
        self.succeeded = False

    def take(self, event: dict[str, Any]) -> None:
        """Called on a thread of the event server."""
        self._lines.write("event", event=event)
        with self._lock:
            self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        if "diagnosticEvent" in event:
            found = event["diagnosticEvent"]
            if found.get("severity") == "error" and len(self.errors) < KEPT:
                self.errors.append((found.get("urn") or "", found.get("message") or ""))
        elif "resOpFailedEvent" in event:
            self.failed_urns.append(event["resOpFailedEvent"]["metadata"]["urn"])
        elif "summaryEvent" in event:
            # An update that keeps the engine's preview has two; the last one counts.
            summary = event["summaryEvent"]
            self.changes = dict(summary.get("resourceChanges") or {})
            self.succeeded = summary.get("result", "succeeded") == "succeeded"
