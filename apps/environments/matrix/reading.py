"""The lines of settings, packages, ports, secrets and protections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from apps.environments.choices import Origin
from apps.environments.effective import Effective, all_settings, combine
from apps.environments.matrix.facts import Fact, Line, matrix_lines
from apps.environments.models import Environment, Port
from apps.environments.secrets import all_secrets

GROUPS = {
    "database": "Database",
    "mcp": "MCP servers",
    "mcp_enabled": "MCP servers",
    "gpu": "GPU",
    "gpu_instance_type": "GPU",
    "monitoring": "Monitoring",
}
OTHER = "Other settings"
ORDER = ("Database", "MCP servers", "Packages", "GPU", "Monitoring", OTHER)
SERVERS = "mcp.servers"
RULES = {
    "required_approvals": "approvals",
    "allowed_branches": "branches",
    "required_evidence": "evidence",
    "required_reviews": "reviews",
    "verified_in": "verified in",
    "typed_confirmation": "typed confirmation",
    "soak_minutes": "soak, minutes",
    "approval_hours": "plan expires after, hours",
    "automatic_rollback": "automatic rollback",
    "drift_minutes": "minutes between looks for drift",
    "drift_correction": "automatic correction of drift",
}


def words(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(not isinstance(item, dict | list) for item in value):
        return ", ".join(str(item) for item in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Sheet:
    """Lines by key while they are gathered."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def put(self, group: str, key: str, place: int, fact: Fact, governor: str = "") -> None:
        line = self.lines.setdefault(key, Line(group, key, {}, governor))
        line.facts[place] = fact


@matrix_lines("settings", order=10)
def settings(places: Sequence[Environment]) -> Iterator[Line]:
    own, base = all_settings()
    sheet = Sheet()
    for place in places:
        for effective in combine(own.get(place.pk, []), base):
            _of_setting(sheet, place.pk, effective)
    rows = sorted(sheet.lines.values(), key=lambda line: ORDER.index(line.group))
    yield from (line for line in rows if not _is_presence_everywhere(line, len(places)))


def _is_presence_everywhere(line: Line, count: int) -> bool:
    """That a map is set is worth a line only where one lacks it."""
    return line.key.endswith("(map)") and len(line.facts) == count


def _of_setting(sheet: Sheet, place: int, row: Effective) -> None:
    group = GROUPS.get(row.key, OTHER)
    if not isinstance(row.value, dict):
        note = row.own.note if row.own else ""
        sheet.put(group, row.key, place, _fact(row, (), row.value, note))
        return
    presence = f"{row.key} (map)"
    sheet.put(group, presence, place, Fact(True, "set"))
    for path, value in _flat(row.value):
        key = ".".join((row.key, *path))
        if key == SERVERS and isinstance(value, list):
            _servers(sheet, place, row, value)
        else:
            sheet.put(group, key, place, _fact(row, path, value), _governor(row.key, key, presence))


def _governor(setting: str, key: str, presence: str) -> str:
    if setting == "database" and key != "database.kind":
        return "database.kind"
    return presence


def _fact(row: Effective, path: Sequence[str], value: Any, note: str = "") -> Fact:
    inherited = row.origin_of(path) == Origin.BASE
    return Fact(value, words(value), "from base" if inherited else "", note)


def _flat(value: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Pairs of path and value; a list is one value."""
    for key, item in sorted(value.items()):
        if isinstance(item, dict) and item:
            yield from _flat(item, (*above, key))
        else:
            yield (*above, key), item


def _servers(sheet: Sheet, place: int, row: Effective, servers: list[Any]) -> None:
    """Names as one line; each server's package and other values as lines it governs."""
    known = [server for server in servers if isinstance(server, dict) and server.get("name")]
    names = sorted(str(server["name"]) for server in known)
    sheet.put("MCP servers", SERVERS, place, _fact(row, ("servers",), names))
    for server in known:
        name = f"mcp.{server['name']}"
        package = f"{server.get('package')} {server.get('version')}"
        sheet.put("Packages", f"{name}.package", place, Fact(package, package), SERVERS)
        for key, value in sorted(server.items()):
            # The port stands among the ports.
            if key not in ("name", "package", "version", "port"):
                sheet.put("MCP servers", f"{name}.{key}", place, Fact(value, words(value)), SERVERS)


@matrix_lines("ports", order=20)
def ports(_places: Sequence[Environment]) -> Iterator[Line]:
    sheet = Sheet()
    for row in Port.objects.filter(environment__isnull=False).order_by("port", "owner"):
        assert row.environment_id is not None  # the filter above
        fact = Fact(row.port, str(row.port), f"{row.host}, {row.protocol}")
        sheet.put("Ports", f"ports.{row.owner}", row.environment_id, fact, SERVERS)
    yield from sheet.lines.values()


@matrix_lines("secrets", order=30)
def secrets(_places: Sequence[Environment]) -> Iterator[Line]:
    sheet = Sheet()
    for row in sorted(all_secrets(), key=lambda row: (row.key, row.version)):
        due = f", due {row.rotation_due_at:%Y-%m-%d}" if row.rotation_due_at else ""
        fact = Fact(row.version, f"version {row.version}", f"{row.set_at:%Y-%m-%d}{due}")
        sheet.put("Secrets", f"secrets.{row.key}", row.environment_id, fact)
    for line in sheet.lines.values():
        line.compared = False
        yield line


@matrix_lines("protection", order=40)
def protection(places: Sequence[Environment]) -> Iterator[Line]:
    for field, label in RULES.items():
        facts = {
            place.pk: Fact(value, words(value))
            for place in places
            for value in (getattr(place.protection, field, None),)
            if value is not None
        }
        if facts:
            yield Line("Protection", f"protection.{label}", facts)
