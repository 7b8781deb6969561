"""What settings point at: endpoints, hosts and credentials, each with its place."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

CREDENTIAL = re.compile(r"(password|passwd|token|secret|api_?key|credential)s?$", re.IGNORECASE)
HOST_KEYS = ("host", "hostname", "address", "server", "endpoint", "smarthost")
HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+(:\d+)?")
# Every host has these; they say nothing about whose they are.
EVERYWHERE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """
    `place` is where in the settings it stands; `name` what people know it by, without credentials.
    `strong`: two environments behind it write into the same thing.
    """

    place: str
    name: str
    strong: bool = False


def leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every single value below a setting with its place: `mcp.servers[0].port`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(f"{place}.{key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(f"{place}[{number}]", item)
    else:
        yield place, value


def endpoints(values: Mapping[str, Any]) -> Iterator[Endpoint]:
    """Databases, listeners and URLs; `{home}` is filled in already."""
    database = values.get("database")
    if isinstance(database, dict):
        yield from _database(database)
    fleet = values.get("mcp") if values.get("mcp_enabled") else None
    if isinstance(fleet, dict):
        host = fleet.get("host", "127.0.0.1")
        for number, row in enumerate(fleet.get("servers") or []):
            if isinstance(row, dict):
                yield Endpoint(f"mcp.servers[{number}].port", f"{host}:{row.get('port')}", True)
    for key, value in values.items():
        for place, leaf in leaves(key, value):
            url = url_of(leaf)
            if url is not None:
                yield Endpoint(place, _without_credentials(url))


def _database(section: Mapping[str, Any]) -> Iterator[Endpoint]:
    if section.get("kind") == "postgres":
        where = f"{section.get('host')}:{section.get('port', 5432)}/{section.get('name')}"
        yield Endpoint("database", f"postgres://{where}", strong=True)
    elif section.get("kind") == "sqlite" and section.get("path"):
        yield Endpoint("database.path", str(Path(str(section["path"]))), strong=True)


def credentials(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of place and value of what stands in clear in settings and looks like a credential."""
    for key, value in values.items():
        for place, leaf in leaves(key, value):
            if not isinstance(leaf, str) or not leaf:
                continue
            url = url_of(leaf)
            if CREDENTIAL.search(place):
                yield place, leaf
            elif url is not None and url.password:
                yield place, url.password


def hosts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Pairs of place and host: of URLs, of keys that hold a host, of texts written like one."""
    for place, leaf in leaves(key, value):
        if not isinstance(leaf, str) or not leaf:
            continue
        url = url_of(leaf)
        name = place.rpartition(".")[2].partition("[")[0]
        if url is not None and url.hostname:
            yield place, url.hostname
        elif (name in HOST_KEYS and "/" not in leaf and " " not in leaf) or _like_a_host(leaf):
            yield place, leaf.partition(":")[0].lower() if leaf.count(":") == 1 else leaf.lower()


def _like_a_host(text: str) -> bool:
    """`db.example.com`, but neither `1.2.3` nor `file.json`."""
    if not HOST.fullmatch(text):
        return False
    last = text.partition(":")[0].rpartition(".")[2]
    return last in ("com", "net", "org", "io", "dev", "local", "internal", "lan", "cloud", "eu")


def url_of(leaf: Any) -> SplitResult | None:
    """The parts of a text that is a URL with a host."""
    if not isinstance(leaf, str) or "://" not in leaf:
        return None
    try:
        found = urlsplit(leaf.strip())
    except ValueError:
        return None
    return found if found.scheme and found.hostname else None


def _without_credentials(url: SplitResult) -> str:
    try:
        port = f":{url.port}" if url.port else ""
    except ValueError:
        port = ""
    return f"{url.scheme}://{url.hostname}{port}{url.path}".rstrip("/")


def says_nothing(host: str) -> bool:
    """Addresses that every host has."""
    try:
        return str(ipaddress.ip_address(host)) in EVERYWHERE
    except ValueError:
        return host in EVERYWHERE
