"""One TLS handshake: is the certificate trusted, and for how long yet."""

from __future__ import annotations

import socket
import ssl
import time

SECONDS = 5


class TlsRefused(Exception):
    """The certificate is not trusted, or TLS is not spoken; the text says why."""


def certificate_days(host: str, port: int, seconds: int = SECONDS) -> int:
    """Whole days until it ends. Raises TlsRefused; OSError where nobody answers."""
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as shown,
        ):
            found = shown.getpeercert() or {}
    except ssl.SSLError as error:
        raise TlsRefused(
            getattr(error, "verify_message", "") or error.reason or "no TLS"
        ) from error
    ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
    return int((ends - time.time()) // 86_400)
