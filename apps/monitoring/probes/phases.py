"""Where the time of a request went: name, connection (TLS in it), first byte."""

from __future__ import annotations

import time
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import aiohttp

from apps.monitoring.probes.finding import Finding

# The finding of the look that this task makes.
CURRENT: ContextVar[Finding] = ContextVar("finding")


def phases() -> aiohttp.TraceConfig:
    """Adds a step for each phase to the finding, before the step that asked for the request."""
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_begin)
    config.on_dns_resolvehost_start.append(_begin_phase("name"))
    config.on_dns_resolvehost_end.append(_end_phase("name"))
    config.on_connection_create_start.append(_begin_phase("connect"))
    config.on_connection_create_end.append(_end_phase("connect"))
    config.on_request_end.append(_first_byte)
    config.on_request_exception.append(_failed)
    return config


async def _begin(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.began = time.monotonic()
    context.open = []


def _begin_phase(name: str) -> Any:
    async def begin(_session: Any, context: SimpleNamespace, _params: Any) -> None:
        context.open.append((name, time.monotonic()))

    return begin


def _end_phase(name: str) -> Any:
    async def end(_session: Any, context: SimpleNamespace, _params: Any) -> None:
        began = dict(context.open).get(name, context.began)
        context.open = [item for item in context.open if item[0] != name]
        _insert(name, began, passed=True)

    return end


async def _first_byte(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    steps = CURRENT.get().steps
    if steps:
        steps[-1]["first_byte_ms"] = _since(context.began)


async def _failed(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    for name, began in context.open:
        _insert(name, began, passed=False)
    context.open = []


def _insert(name: str, began: float, *, passed: bool) -> None:
    steps = CURRENT.get().steps
    if passed and any(step["step"] == name for step in steps):
        return  # of the first request only: every later one would say the same
    rung = {"step": name, "passed": passed, "ms": _since(began), "detail": ""}
    steps.insert(max(len(steps) - 1, 0), rung)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
