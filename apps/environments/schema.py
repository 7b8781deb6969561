"""
The settings that the built-in program reads, and the shape each must have.

A key that is not listed belongs to a program of the team's own and may hold anything of its kind.
The program checks again (`infra/configuration.py`): this side only says no earlier.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from apps.environments.choices import SettingKind

EXACT_VERSION = re.compile(r"\d+(\.\d+)*([.+-]?[A-Za-z0-9]+)*")
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Problem(ValueError):
    """What is wrong with one value, in one sentence that begins with its place."""


def need(where: str, value: Any, kind: type, words: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Problem(f"{where} takes {words}, not {value!r}.")
    return value


def text(where: str, section: dict[str, Any], key: str) -> str:
    value = need(f"{where}.{key}", section.get(key), str, "a text")
    if not value:
        raise Problem(f"{where}.{key} is empty.")
    return str(value)


def port(where: str, value: Any) -> int:
    number = need(where, value, int, "a port number")
    if not 1 <= number <= 65535:
        raise Problem(f"{where} is {number}; ports go from 1 to 65535.")
    return int(number)


def loopback(where: str, value: Any) -> None:
    try:
        inside = ipaddress.ip_address(need(where, value, str, "an address")).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise Problem(f"{where} is {value!r}; MCP servers listen on loopback addresses only.")


def check_database(value: Any) -> None:
    section = need("database", value, dict, "a map")
    match section.get("kind"):
        case "sqlite":
            text("database", section, "path")
        case "postgres":
            for key in ("host", "name", "user", "admin_user"):
                text("database", section, key)
            port("database.port", section.get("port", 5432))
        case kind:
            raise Problem(f"database.kind is sqlite or postgres, not {kind!r}.")


def check_server(where: str, value: Any) -> tuple[str, int]:
    server = need(where, value, dict, "a map")
    name = text(where, server, "name")
    if not NAME.fullmatch(name):
        raise Problem(f"{where}.name is {name!r}; lower case, digits and hyphens only.")
    version = text(where, server, "version")
    if not EXACT_VERSION.fullmatch(version):
        raise Problem(f"{where}.version is {version!r}; one exact version is pinned, no range.")
    text(where, server, "package")
    for key, choices in (("ecosystem", ("npm", "pypi")), ("transport", ("stdio", "http"))):
        if server.get(key) not in choices:
            raise Problem(f"{where}.{key} is {' or '.join(choices)}, not {server.get(key)!r}.")
    return name, port(f"{where}.port", server.get("port"))


def check_mcp(value: Any) -> None:
    section = need("mcp", value, dict, "a map")
    loopback("mcp.host", section.get("host", "127.0.0.1"))
    servers = need("mcp.servers", section.get("servers", []), list, "a list")
    seen: set[object] = set()
    for number, entry in enumerate(servers):
        for twin in check_server(f"mcp.servers[{number}]", entry):
            if twin in seen:
                raise Problem(f"mcp.servers has {twin!r} twice.")
            seen.add(twin)
    if any(entry["transport"] == "stdio" for entry in servers):
        bridge = need("mcp.bridge", section.get("bridge"), dict, "a map")
        text("mcp.bridge", bridge, "package")
        text("mcp.bridge", bridge, "version")


def check_monitoring(value: Any) -> None:
    section = need("monitoring", value, dict, "a map")
    for key in ("prometheus", "alertmanager", "grafana", "reload"):
        need(f"monitoring.{key}", section.get(key, False), bool, "yes or no")


# key → (kind, check, what it is for). All of them but `gpu_instance_type` are needed for a deploy.
KNOWN: dict[str, tuple[SettingKind, Callable[[Any], None] | None, str]] = {
    "database": (SettingKind.STRUCTURE, check_database, "Where the environment keeps its data"),
    "mcp_enabled": (SettingKind.FLAG, None, "Whether MCP servers are declared at all"),
    "mcp": (SettingKind.STRUCTURE, check_mcp, "The MCP servers, each with an exact version"),
    "monitoring": (SettingKind.STRUCTURE, check_monitoring, "Which monitoring files are made"),
    "gpu_instance_type": (SettingKind.TEXT, None, "Lambda's instance type of the pool"),
}
NEEDED = ("database", "mcp_enabled", "mcp", "monitoring")
KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    SettingKind.TEXT: (str, "a text"),
    SettingKind.NUMBER: ((int, float), "a number"),
    SettingKind.FLAG: (bool, "yes or no"),
    SettingKind.STRUCTURE: ((dict, list), "a map or a list"),
}


def kind_of(key: str, value: Any) -> str:
    """The kind that a key has, or that its first value shows."""
    if key in KNOWN:
        return KNOWN[key][0]
    for kind in (SettingKind.FLAG, SettingKind.NUMBER, SettingKind.TEXT):
        if isinstance(value, KINDS[kind][0]):
            return kind
    return SettingKind.STRUCTURE


def check_setting(key: str, kind: str, value: Any) -> None:
    """Raises Problem when the value is not of its kind or not of the key's shape."""
    expected, words = KINDS[kind]
    if not isinstance(value, expected) or (kind == SettingKind.NUMBER and isinstance(value, bool)):
        raise Problem(f"{key} takes {words}, not {value!r}.")
    check = KNOWN[key][1] if key in KNOWN else None
    if check:
        check(value)


def needed_secrets(values: dict[str, Any]) -> list[str]:
    """Keys of the secrets that the built-in program asks for with these settings."""
    database = values.get("database")
    if isinstance(database, dict) and database.get("kind") == "postgres":
        return ["database_admin_password", "database_password"]
    return []
