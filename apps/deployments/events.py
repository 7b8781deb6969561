"""
From the engine host's lines to rows of `RunEvent`. Pure functions; what comes in is redacted.

Kinds: `hello`, `engine`, `engine_exit`, `result` from the host; `output` (printed text);
`prelude`, `resource_began`, `resource_done`, `resource_failed`, `diagnostic`, `policy`, `summary`,
`finished` from the engine; an event nobody knows keeps its own key as kind and its body as detail.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from django.utils import timezone
from django.utils.dateparse import parse_datetime

# A line that holds more is cut; the whole text stays in the run's folder.
LONGEST_MESSAGE = 64 * 1024
# Debug diagnostics are two thirds of all events and tell an operator nothing.
SILENT_SEVERITIES = frozenset({"debug"})
# These must reach the page at once, not with the next batch.
AT_ONCE = frozenset({"diagnostic", "resource_failed", "summary", "result", "engine_exit", "hello"})


class EventFields(TypedDict):
    """The fields of one `RunEvent` but run and sequence."""

    at: datetime
    kind: str
    urn: str
    type: str
    operation: str
    status: str
    severity: str
    message: str
    detail: dict[str, Any]


KINDS = {
    "preludeEvent": "prelude",
    "resourcePreEvent": "resource_began",
    "resOutputsEvent": "resource_done",
    "resOpFailedEvent": "resource_failed",
    "diagnosticEvent": "diagnostic",
    "stdoutEvent": "output",
    "policyEvent": "policy",
    "summaryEvent": "summary",
    "cancelEvent": "finished",
}
STATUSES = {"resource_began": "running", "resource_done": "done", "resource_failed": "failed"}


def read_time(text: Any) -> datetime:
    """The host's own time of a line; now, when it has none that can be read."""
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    return found if found and found.tzinfo else timezone.now()


def rows_of(line: dict[str, Any]) -> list[EventFields]:
    """What one line of the host puts into the log; nothing for noise."""
    kind = line.get("type")
    if kind == "event":
        return _engine_event(line)
    if kind == "output":
        severity = "error" if line.get("stream") == "stderr" else "info"
        return [_row(line, "output", message=str(line.get("text", "")), severity=severity)]
    if kind == "result":
        return [_result_row(line)]
    if kind in ("hello", "engine", "engine_exit"):
        detail = {key: value for key, value in line.items() if key not in ("type", "at")}
        return [_row(line, kind, message=_host_message(kind, line), detail=detail)]
    return []


def _result_row(line: dict[str, Any]) -> EventFields:
    keys = ("outcome", "code", "next_step", "changes", "exit_code", "duration")
    outcome = str(line.get("outcome", ""))
    return _row(
        line,
        "result",
        status=outcome,
        severity="info" if outcome == "succeeded" else "error",
        message=str(line.get("reason") or ""),
        detail={key: line.get(key) for key in keys},
    )


def _host_message(kind: str, line: dict[str, Any]) -> str:
    if kind == "hello":
        engine = line.get("engine") or {}
        name = f"{engine.get('name', 'no engine')} {engine.get('version', '')}".strip()
        return f"Engine: {name}"
    if kind == "engine":
        return f"Engine process {line.get('pid')} started"
    return f"Engine process {line.get('pid')} ended with {line.get('code')}"


def _engine_event(line: dict[str, Any]) -> list[EventFields]:
    event = line.get("event")
    if not isinstance(event, dict):
        return []
    bodies = [
        (key, body)
        for key, body in event.items()
        if key not in ("sequence", "timestamp") and isinstance(body, dict)
    ]
    return _body_rows(line, *bodies[0]) if bodies else []


def _body_rows(line: dict[str, Any], key: str, body: dict[str, Any]) -> list[EventFields]:
    kind = KINDS.get(key)
    if kind is None:
        return [_row(line, key[:40], detail=body)]
    if kind in STATUSES:
        return [_resource_row(line, kind, body)]
    if kind == "diagnostic":
        return _diagnostic_rows(line, body)
    if kind == "output":
        return [_row(line, kind, message=str(body.get("message", "")))]
    if kind == "summary":
        return [_summary_row(line, body)]
    return [_row(line, kind)]


def _resource_row(line: dict[str, Any], kind: str, body: dict[str, Any]) -> EventFields:
    metadata = body.get("metadata") or {}
    planning = bool(body.get("planning"))
    status = "planned" if planning and kind != "resource_failed" else STATUSES[kind]
    new, old = metadata.get("new") or {}, metadata.get("old") or {}
    detail = {
        "planning": planning,
        "parent": new.get("parent") or old.get("parent") or "",
        "id": new.get("id") or old.get("id") or "",
        # The engine leaves `custom` out where it is false.
        "component": bool(new or old) and not (new or old).get("custom"),
        "diffs": metadata.get("diffs") or [],
        "keys": metadata.get("keys") or [],
    }
    row = _row(line, kind, status=status, detail=detail)
    row["urn"] = str(metadata.get("urn", ""))[:500]
    row["type"] = str(metadata.get("type", ""))[:120]
    row["operation"] = str(metadata.get("op", ""))[:30]
    row["severity"] = "error" if kind == "resource_failed" else "info"
    return row


def _diagnostic_rows(line: dict[str, Any], body: dict[str, Any]) -> list[EventFields]:
    severity = str(body.get("severity", "info"))
    message = str(body.get("message", "")).rstrip()
    if severity in SILENT_SEVERITIES or not message or body.get("ephemeral"):
        return []
    row = _row(line, "diagnostic", message=message, severity=severity[:10])
    row["urn"] = str(body.get("urn", ""))[:500]
    return [row]


def _summary_row(line: dict[str, Any], body: dict[str, Any]) -> EventFields:
    changes = body.get("resourceChanges") or {}
    words = ", ".join(f"{count} {name}" for name, count in sorted(changes.items()))
    return _row(
        line,
        "summary",
        status=str(body.get("result", ""))[:20],
        message=words or "nothing to do",
        detail={"changes": changes, "seconds": body.get("durationSeconds")},
    )


def _row(
    line: dict[str, Any],
    kind: str,
    *,
    message: str = "",
    severity: str = "info",
    status: str = "",
    detail: dict[str, Any] | None = None,
) -> EventFields:
    return {
        "at": read_time(line.get("at")),
        "kind": kind,
        "urn": "",
        "type": "",
        "operation": "",
        "status": status[:20],
        "severity": severity,
        # PostgreSQL takes no zero byte in a text.
        "message": message[:LONGEST_MESSAGE].replace("\x00", "␀"),
        "detail": detail or {},
    }
