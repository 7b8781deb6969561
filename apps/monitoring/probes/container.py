"""Looks at a container through the engine's API (Docker, Podman) on its unix socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from apps.core.http_wire import Exchange
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut


async def look_at_container(look: Look, finding: Finding, socket_path: str) -> Finding:
    """
    `{"container"}`: it runs, its own health check passes, and nobody restarted it since. Without
    an engine nothing is known of it.
    """
    name = look.parameters["container"]
    loop = asyncio.get_running_loop()
    request = (
        f"GET /containers/{quote(name, safe='')}/json HTTP/1.1\r\nHost: engine\r\n"
        "Accept: application/json\r\nConnection: close\r\n\r\n"
    )
    exchange = Exchange(request.encode(), loop)
    try:
        with finding.step("ask the engine") as rung:
            await loop.create_unix_connection(lambda: exchange, socket_path)
            await exchange.done
            rung["detail"] = f"HTTP {exchange.status}"
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        return finding.conclude(
            Health.UNKNOWN,
            f"No container engine answers at {cut(socket_path, 80)}"
            f" ({error.strerror or error.__class__.__name__}). Start it, or set CONTAINER_SOCKET.",
            "no_engine",
        )
    finally:
        if exchange.transport:
            exchange.transport.abort()
    return _judged(look, finding, exchange, name)


def _judged(look: Look, finding: Finding, exchange: Exchange, name: str) -> Finding:
    if exchange.status == 404:
        return finding.conclude(
            Health.UNREACHABLE,
            f"There is no container {cut(name, 60)}. Deploy the environment again.",
            "no_container",
        )
    try:
        told = json.loads(bytes(exchange.body)) if exchange.status == 200 else None
        state = told["State"] if isinstance(told, dict) else None
    except (ValueError, KeyError, RecursionError):
        state = None
    if not isinstance(state, dict):
        return finding.conclude(
            Health.UNKNOWN,
            f"The container engine answered {exchange.status}. Look at its log.",
            "engine",
        )
    return _state(look, finding, state, cut(name, 60))


def _state(look: Look, finding: Finding, state: dict[str, Any], name: str) -> Finding:
    status, health = str(state.get("Status")), (state.get("Health") or {}).get("Status", "")
    finding.steps[-1]["detail"] = cut(f"{status} {health}".strip(), 60)
    before, started = look.memory.get("started"), str(state.get("StartedAt"))
    finding.memory = {"started": started}
    if status != "running":
        finding.steps[-1]["passed"] = False
        code = state.get("ExitCode")
        return finding.conclude(
            Health.UNREACHABLE,
            f"{name} is {cut(status, 30)}, exit code {code}. Read its log.",
            "not_running",
        )
    if health == "unhealthy":
        return finding.conclude(
            Health.UNREACHABLE, f"{name} runs, and its own check fails. Read its log.", "unhealthy"
        )
    if health == "starting":
        return finding.conclude(
            Health.DEGRADED, f"{name} starts; its own check has not passed yet. Wait.", "starting"
        )
    if before is not None and before != started:
        return finding.conclude(
            Health.DEGRADED,
            f"{name} was restarted. Read its log for the reason.",
            "restarted",
        )
    return finding.conclude(Health.HEALTHY)
