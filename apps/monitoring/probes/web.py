"""Kinds over HTTP and TLS: http and certificate."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import Any

from apps.core.safe_http import Answer, allowed_addresses, default_tls, dial, fetch
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut

# Days before its end at which a certificate is called degraded, and the step that shows each phase.
DAYS = 14
PHASES = ("name", "connect", "tls")


async def look_at_http(look: Look, finding: Finding) -> Finding:
    """
    `{"url", "status"?, "contains"?, "lacks"?, "headers"?: {name: text}, "slow_ms"?, "follow"?,
    "certificate_days"?, "bearer_secret"?}`; any 2xx or 3xx without `status`.
    """
    wanted = look.parameters
    phases: dict[str, float] = {}
    rung: dict[str, Any] = {"step": "request", "passed": False, "ms": 0.0, "detail": ""}
    began = time.monotonic()
    try:
        answer = await fetch(
            wanted["url"],
            rules=look.rules,
            deadline=look.time_limit,
            headers=_credentials(look),
            follow=wanted.get("follow", 0),
            phases=phases,
        )
        rung["detail"] = f"HTTP {answer.status}"
        rung["first_byte_ms"] = phases["first_byte"]
        finding.latency_ms = phases["total"]
    finally:
        for name in PHASES:
            if name in phases:
                finding.steps.append(
                    {"step": name, "passed": True, "ms": phases[name], "detail": ""}
                )
        rung["ms"] = phases.get("total") or round((time.monotonic() - began) * 1000, 1)
        finding.steps.append(rung)
    return _judged(wanted, answer, finding, rung)


def _credentials(look: Look) -> dict[str, str]:
    name = look.parameters.get("bearer_secret")
    return {"Authorization": f"Bearer {look.secrets[name]}"} if name else {}


def _judged(
    wanted: dict[str, Any], answer: Answer, finding: Finding, rung: dict[str, Any]
) -> Finding:
    expected, url = wanted.get("status"), wanted["url"]
    rung["passed"] = answer.status == expected if expected else answer.status < 400
    if not rung["passed"]:
        return finding.conclude(
            Health.UNREACHABLE if answer.status >= 500 else Health.MISCONFIGURED,
            f"{url} answered {answer.status}, expected {expected or 'below 400'}."
            " Look at the server's log, or correct the check.",
            f"http_{answer.status}",
        )
    if complaint := _complaint(wanted, answer):
        return finding.conclude(Health.PROTOCOL_ERROR, f"{url} answered {complaint[1]}."
            " Look at the page, or correct the check.", complaint[0])  # fmt: skip
    if answer.certificate and (days := wanted.get("certificate_days")):
        finding.memory["days_left"] = left = days_left(answer.certificate)
        if left < days:
            return ends_soon(finding, url, left, days)
    slow, total = wanted.get("slow_ms"), finding.latency_ms or 0
    if slow and total > slow:
        return finding.conclude(
            Health.DEGRADED,
            f"Slow: {total:.0f} ms, the limit is {slow:g} ms. Look at the load of the server.",
            "slow",
        )
    return finding.conclude(Health.HEALTHY)


def _complaint(wanted: dict[str, Any], answer: Answer) -> tuple[str, str] | None:
    """A code and what is wrong with the headers or the body."""
    for name, text in wanted.get("headers", {}).items():
        found = answer.headers.get(name.lower())
        if found is None:
            return "header", f"without the header {cut(name, 40)}"
        if text.lower() not in found.lower():
            return "header", f"{cut(name, 40)}: {cut(found, 60)}, expected {cut(text, 60)}"
    if (text := wanted.get("contains")) and text.encode() not in answer.body:
        return "body", f"without “{cut(text, 60)}”"
    if (text := wanted.get("lacks")) and text.encode() in answer.body:
        return "body", f"with “{cut(text, 60)}”"
    return None


async def look_at_certificate(look: Look, finding: Finding) -> Finding:
    """`{"host", "port"?: 443, "name"?, "days"?: 14}`: trusted, for this name, long enough."""
    wanted = look.parameters
    host, port = wanted["host"], wanted.get("port", 443)
    with finding.step("connect"):
        made = await dial(await allowed_addresses(host, port, look.rules), port)
    try:
        with finding.step("tls") as rung:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol,
                sock=made,
                ssl=default_tls(),
                server_hostname=wanted.get("name", host),
            )
            certificate = transport.get_extra_info("peercert")
            transport.abort()
            left = days_left(certificate)
            rung["detail"] = f"{left} days left"
    except ssl.SSLCertVerificationError as error:
        if error.verify_code != _EXPIRED:
            raise
        return finding.conclude(
            Health.UNREACHABLE,
            f"The certificate of {host} has expired. Renew it.",
            "certificate_expired",
        )
    finally:
        made.close()
    finding.memory["days_left"] = left
    if left < (days := wanted.get("days", DAYS)):
        return ends_soon(finding, host, left, days)
    return finding.conclude(Health.HEALTHY)


_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def days_left(certificate: Mapping[str, Any]) -> int:
    """Whole days until the certificate ends."""
    return int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) // 86_400)


def ends_soon(finding: Finding, where: str, left: int, days: float) -> Finding:
    return finding.conclude(
        Health.DEGRADED,
        f"The certificate of {where} ends in {left} days, {days:g} are wanted. Renew it.",
        "certificate_ends",
    )
