"""Verbs on MCP servers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import NotFound, Refused
from apps.core.permissions import Actor, check
from apps.environments.lookup import find_environment
from apps.environments.services import allocate_port, release_port
from apps.live.services import announce
from apps.mcp.choices import Wish
from apps.mcp.client import listens
from apps.mcp.models import McpServer
from apps.monitoring.services import (
    register_check,
    request_checks,
    retire_check,
    set_check_enabled,
)

HOST = "127.0.0.1"


def register_servers(
    actor: Actor, *, environment: str, servers: list[dict[str, Any]], run: int
) -> list[McpServer]:
    """
    Makes the register equal to a run's output `mcp_servers`: new ones with port and checks, changed
    ones brought up to date, those no longer there retired.
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    names = {server["name"] for server in servers}
    with transaction.atomic():
        gone = McpServer.objects.filter(environment=place).exclude(wish=Wish.RETIRED)
        for row in gone.exclude(name__in=names):
            _retire(actor, row)
        rows = [_register(actor, place, server, run) for server in servers]
        record(
            actor,
            "mcp.server.registered",
            place,
            environment=environment,
            servers=sorted(names),
            run=run,
        )
        announce(f"environment:{environment}", "servers.registered", servers=sorted(names))
        announce("fleet", "servers.registered", environment=environment)
    return rows


def retire_servers(actor: Actor, *, environment: str) -> list[McpServer]:
    """
    Retires what a destroy removed, each after a read-back: a server that still listens stays
    registered, is looked at, and is named in the record. Returns those that stay.
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    rows = list(place.mcp_servers.select_related("environment").exclude(wish=Wish.RETIRED))
    still = [row for row in rows if listens(_host(row), row.port)]
    with transaction.atomic():
        for row in rows:
            if row not in still:
                _retire(actor, row)
        if still:
            request_checks(actor, environment=environment)
        names = sorted(row.name for row in still)
        record(actor, "mcp.server.read_back", place, environment=environment, still_listening=names)
        announce(f"environment:{environment}", "servers.read_back", still_listening=names)
        announce("fleet", "servers.read_back", environment=environment)
    return still


def set_wish(actor: Actor, *, server: str, wish: str) -> McpServer:
    """Enables, pauses or disables a server's checks. What is found stays as last known."""
    row = _find(actor, server)
    slug = row.environment.slug
    check(actor, "check", slug)
    if row.wish == Wish.RETIRED or wish not in (Wish.ENABLED, Wish.PAUSED, Wish.DISABLED):
        raise Refused(
            "server.retired" if row.wish == Wish.RETIRED else "server.wish",
            f"{row.slug} is {row.wish} and cannot become {wish}.",
            next_step="Deploy the environment to bring a retired server back.",
        )
    with transaction.atomic():
        McpServer.objects.filter(pk=row.pk).update(wish=wish)
        for watch in _checks(row):
            set_check_enabled(actor, check_id=watch, enabled=wish == Wish.ENABLED)
        record(actor, f"mcp.server.{wish}", row, environment=slug, old=row.wish)
        announce(f"mcp:{row.slug}", "server.wish", wish=wish)
    row.refresh_from_db()
    return row


def check_server(actor: Actor, *, server: str) -> McpServer:
    """Has a server looked at now."""
    row = _find(actor, server)
    check(actor, "check", row.environment.slug)
    with transaction.atomic():
        for watch in _checks(row):
            request_checks(actor, environment=row.environment.slug, check_id=watch)
        record(actor, "mcp.server.check_requested", row, environment=row.environment.slug)
        announce(f"mcp:{row.slug}", "check.requested")
    return row


def _register(actor: Actor, place: Any, server: dict[str, Any], run: int) -> McpServer:
    host, name = server.get("host", HOST), server["name"]
    before = McpServer.objects.filter(environment=place, name=name).first()
    if before and (_host(before), before.port) != (host, server["port"]):
        release_port(actor, environment=place.slug, host=_host(before), port=before.port)
    allocate_port(actor, environment=place.slug, host=host, port=server["port"], owner=name)
    watch = register_check(
        actor,
        environment=place.slug,
        name=name,
        kind="mcp",
        parameters={"url": server["url"]},
        source="deployment",
    )
    register_check(
        actor,
        environment=place.slug,
        name=f"{name} process",
        kind="process",
        parameters={"process": server["process"]},
        source="deployment",
    )
    row, _ = McpServer.objects.update_or_create(
        environment=place,
        name=name,
        defaults={
            "slug": f"{place.slug}-{name}",
            "role": server.get("role", ""),
            # A pause is the operator's, and a deployment does not end it.
            "wish": before.wish if before and before.wish != Wish.RETIRED else Wish.ENABLED,
            "url": server["url"],
            "port": server["port"],
            "transport": server.get("transport", "streamable_http"),
            "process": server["process"],
            "package": server.get("package", ""),
            "package_version": server.get("version", ""),
            "ecosystem": server.get("ecosystem", ""),
            "deployed_by_run": run,
            "check_row": watch,
        },
    )
    return row


def _retire(actor: Actor, row: McpServer) -> None:
    """The server is gone: its checks end and its port is free; row, tools and record stay."""
    for watch in _checks(row):
        retire_check(actor, check_id=watch)
    release_port(actor, environment=row.environment.slug, host=_host(row), port=row.port)
    McpServer.objects.filter(pk=row.pk).update(
        wish=Wish.RETIRED, check_row=None, deployed_by_run=None
    )
    record(actor, "mcp.server.retired", row, environment=row.environment.slug)
    announce(f"mcp:{row.slug}", "server.retired")


def _host(row: McpServer) -> str:
    return urlsplit(row.url).hostname or HOST


def _checks(row: McpServer) -> list[int]:
    """The server's checks: its own and its process's."""
    names = (row.name, f"{row.name} process")
    rows = row.environment.checks.filter(name__in=names, source="deployment")
    return list(rows.values_list("pk", flat=True))


def _find(actor: Actor, slug: str) -> McpServer:
    row = (
        McpServer.objects.visible_to(actor).select_related("environment").filter(slug=slug).first()
    )
    if row is None:
        raise NotFound("server.unknown", f"There is no MCP server {slug}.")
    return row
