"""
Runs an installer: no shell, an environment from an allow-list, a time limit, and an ear for
`Cancel`.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from infra.orchestra_provider.errors import CanceledError, ProviderError

TIME_LIMIT = 900.0  # seconds; a cold cache on a slow line
POLL = 0.1  # seconds
LAST_LINES = 6
ALLOWED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "TMPDIR",
        "LANG",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
# What npm and pip say of a certificate that this machine does not trust.
UNTRUSTED = (
    "SELF_SIGNED_CERT",
    "UNABLE_TO_GET_ISSUER",
    "UNABLE_TO_VERIFY_LEAF",
    "CERTIFICATE_VERIFY",
)
REACH = "check name and version, and whether the package index can be reached."
TRUST = (
    "the package index shows a certificate that this machine does not trust: if a proxy of your"
    " own stands between, name its certificate in NODE_EXTRA_CA_CERTS (npm) or PIP_CERT (PyPI)"
    " and start the portal again."
)
# How an operator points the installers at an index of their own.
ALLOWED_PREFIXES = ("PIP_", "NPM_CONFIG_", "npm_config_")


def installer_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
    }


def run_installer(
    command: Sequence[str], what: str, canceled: threading.Event, *, limit: float = TIME_LIMIT
) -> None:
    """Raises ProviderError `package.failed` with the last lines, or CanceledError."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(command),
            env=installer_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ends = time.monotonic() + limit
        try:
            while process.poll() is None:
                if canceled.is_set():
                    raise CanceledError(what)
                if time.monotonic() > ends:
                    said = _last_lines(output)
                    reason = f"{what} took longer than {limit:g} s. {said}".strip()
                    raise ProviderError("package.failed", reason, _way_out(said))
                canceled.wait(POLL)
        finally:
            _end(process)
        if process.returncode:
            said = _last_lines(output)
            reason = f"{what} failed with exit code {process.returncode}. {said}".strip()
            raise ProviderError("package.failed", reason, _way_out(said))


def _way_out(said: str) -> str:
    return TRUST if any(word in said for word in UNTRUSTED) else REACH


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces a file in one step: a reader sees the old content or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_lines(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 8192))
    text = output.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:])
