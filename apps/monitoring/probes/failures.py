"""From what went wrong on the wire to a health, a reason and the next step."""

from __future__ import annotations

import socket
import ssl

import aiohttp

from apps.core.addresses import AddressRefused
from apps.core.safe_http import MalformedAnswer, TooManyRedirects
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, cut


def explain(finding: Finding, error: BaseException, where: str, limit: float) -> Finding:
    """Concludes a finding from an exception of the probe. `where` is `host:port` or a URL."""
    if said := _before_the_wire(finding, error, where) or _of_tls(finding, error, where):
        return said
    if isinstance(error, TimeoutError):
        connected = any(step["step"] == "connect" and step["passed"] for step in finding.steps)
        did = "took the connection and" if connected else "did not take a connection; it"
        return finding.conclude(
            Health.UNREACHABLE,
            f"{where} {did} gave no answer within {limit:g} s."
            " Look at the load of the server, or raise the check's time limit.",
            "timeout",
        )
    if isinstance(error, ConnectionRefusedError) or (
        isinstance(error, aiohttp.ClientConnectorError)
        and isinstance(error.os_error, ConnectionRefusedError)
    ):
        return finding.conclude(
            Health.UNREACHABLE,
            f"Nothing listens on {where}. Look at the server's process.",
            "refused",
        )
    return finding.conclude(
        Health.UNREACHABLE,
        f"{where} dropped the connection ({error.__class__.__name__}). Look at the server's log.",
        "dropped",
    )


def _before_the_wire(finding: Finding, error: BaseException, where: str) -> Finding | None:
    """Rules, names, and what is no HTTP."""
    if refused := finding.refused or (str(error) if isinstance(error, AddressRefused) else ""):
        return finding.conclude(
            Health.MISCONFIGURED,
            f"Refused by policy: {cut(refused, 160)}."
            " Allow the range for this environment, or correct the address.",
            "policy",
        )
    if isinstance(error, MalformedAnswer | TooManyRedirects):
        return finding.conclude(
            Health.PROTOCOL_ERROR,
            f"{where} did not answer as a web server does: {error}. Look at it.",
            "redirect" if isinstance(error, TooManyRedirects) else "not_http",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return finding.conclude(
            Health.UNREACHABLE,
            f"The name in {where} is unknown. Correct the address.",
            "dns",
        )
    return None


def _of_tls(finding: Finding, error: BaseException, where: str) -> Finding | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return finding.conclude(
            Health.UNREACHABLE,
            f"The certificate of {where} is not trusted: {cut(str(error), 120)}."
            " Renew it or trust its issuer.",
            "tls_untrusted",
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return finding.conclude(
            Health.UNREACHABLE,
            f"TLS with {where} failed. It may speak plain HTTP: use http://.",
            "tls_handshake",
        )
    return None
