"""What one answer of an MCP server means: health, class, reason, next step. Pure."""

from __future__ import annotations

from typing import Any

from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, cut
from apps.monitoring.probes.mcp_wire import HANDSHAKES, MODERN, Answer

UNSUPPORTED_VERSION = -32022
# Seconds; however long it asks, we look again after this.
LONGEST_WAIT = 300.0


def modern_verdict(finding: Finding, answer: Answer, url: str) -> Finding | None:
    """A conclusion in the modern era, or None when the server may speak the handshake."""
    if common := transport_verdict(finding, answer, url):
        return common
    supported = (answer.result or {}).get("supportedVersions")
    if isinstance(supported, list):
        if MODERN in supported:
            return learn(finding, "modern", MODERN, answer.result or {})
        return None if set(supported) & set(HANDSHAKES) else incompatible(finding, supported)
    if answer.error.get("code") == UNSUPPORTED_VERSION:
        data = answer.error.get("data")
        offered = data.get("supported", []) if isinstance(data, dict) else []
        return None if set(offered) & set(HANDSHAKES) else incompatible(finding, offered)
    return None


def handshake_verdict(finding: Finding, answer: Answer, url: str) -> Finding:
    """A conclusion in the handshake era."""
    if common := transport_verdict(finding, answer, url):
        return common
    if answer.result is not None:
        version = answer.result.get("protocolVersion")
        if version not in HANDSHAKES:
            return incompatible(finding, [version])
        return learn(finding, "handshake", str(version), answer.result)
    if answer.status in (404, 405):
        return finding.conclude(
            Health.MISCONFIGURED,
            f"There is no MCP endpoint at {url}. Correct the path.",
            "no_endpoint",
        )
    if answer.status >= 500:
        return finding.conclude(
            Health.PROTOCOL_ERROR,
            f"{url} answered {answer.status} to both eras. Read the server's log.",
            f"http_{answer.status}",
        )
    kind = cut(answer.headers.get("content-type", "no content type"), 40)
    said = answer.error.get("message") or answer.beginning or f"HTTP {answer.status}"
    return finding.conclude(
        Health.PROTOCOL_ERROR,
        f"{url} does not speak MCP: HTTP {answer.status}, {kind}, “{cut(str(said), 100)}”."
        " Look at what listens there.",
        "not_mcp",
    )


def transport_verdict(finding: Finding, answer: Answer, url: str) -> Finding | None:
    """What a status alone decides, in either era."""
    headers = answer.headers
    if answer.status == 401:
        challenge = cut(headers.get("www-authenticate", "no challenge"), 120)
        return finding.conclude(
            Health.AUTH_REQUIRED,
            f"401: it needs credentials ({challenge}). Set them.",
            "credentials",
        )
    if answer.status == 403:
        if "insufficient_scope" in headers.get("www-authenticate", ""):
            return finding.conclude(
                Health.AUTH_REQUIRED, "403: the token lacks a scope. Give it a wider one.", "scope"
            )
        return finding.conclude(
            Health.MISCONFIGURED, "403: it refuses this caller. Allow the portal's host.", "origin"
        )
    if answer.status == 421:
        return finding.conclude(
            Health.MISCONFIGURED,
            f"421: {url} does not serve this host name. Allow it there.",
            "host",
        )
    if answer.status == 429:
        given = headers.get("retry-after", "")
        finding.wait = min(float(given), LONGEST_WAIT) if given.isdecimal() else 0.0
        return finding.conclude(
            Health.DEGRADED,
            f"Rate limited: it asks to wait {cut(given, 20) or 'some'} s. Look less often.",
            "rate_limited",
        )
    if 300 <= answer.status < 400:
        target = cut(headers.get("location", "nowhere"), 120)
        return finding.conclude(
            Health.MISCONFIGURED, f"It redirects to {target}. Register that address.", "redirect"
        )
    if answer.status in (502, 503, 504):
        return finding.conclude(
            Health.UNREACHABLE,
            f"{answer.status}: what stands before it does not reach it. Look at its process.",
            "upstream_5xx",
        )
    return None


def incompatible(finding: Finding, versions: list[Any]) -> Finding:
    offered = cut(", ".join(map(str, versions)) or "none", 80)
    return finding.conclude(
        Health.INCOMPATIBLE,
        f"It speaks protocol {offered}; the portal speaks {MODERN} and {', '.join(HANDSHAKES)}."
        " Deploy another version of the server.",
        "version",
    )


def learn(finding: Finding, era: str, version: str, hello: dict[str, Any]) -> Finding:
    """Remembers what the server says of itself; shown and compared, never trusted."""
    meta = hello.get("_meta")
    info = hello.get("serverInfo") or (meta if isinstance(meta, dict) else {}).get(
        "io.modelcontextprotocol/serverInfo"
    )
    info = info if isinstance(info, dict) else {}
    capabilities = hello.get("capabilities")
    finding.memory |= {
        "era": era,
        "version": version,
        "server": cut(str(info.get("name", "")), 100),
        "server_version": cut(str(info.get("version", "")), 50),
        "capabilities": capabilities if isinstance(capabilities, dict) else {},
    }
    return finding.conclude(Health.HEALTHY)
