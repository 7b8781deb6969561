"""What the environments hold, as Prometheus' HTTP service discovery wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from apps.monitoring.choices import CheckKind
from apps.monitoring.models import Check

# The blackbox exporter's module for a kind of check; other kinds have no address to probe.
MODULES = {CheckKind.HTTP: "http_2xx", CheckKind.TCP: "tcp_connect", CheckKind.MCP: "tcp_connect"}
DEFAULT_PORTS = {"http": 80, "https": 443}


def groups_of(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """`[{"targets": [address], "labels": {…}}]`: one group per check that has an address."""
    found = []
    for check in checks:
        if address := address_of(check):
            labels = {
                "environment": check.environment.slug,
                "tier": check.environment.tier,
                "name": check.name,
                "kind": check.kind,
                # Prometheus hands a label of this form on as a parameter of the probe.
                "__param_module": MODULES[CheckKind(check.kind)],
            }
            found.append({"targets": [address], "labels": labels})
    return found


def address_of(check: Check) -> str:
    """Address for the check's module: a URL, or host and port; empty where it has none."""
    given = check.parameters
    if check.kind == CheckKind.HTTP:
        return str(given["url"])
    if check.kind == CheckKind.TCP:
        return _joined(str(given["host"]), int(given["port"]))
    if check.kind == CheckKind.MCP:
        parts = urlsplit(str(given["url"]))
        return _joined(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    return ""


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
