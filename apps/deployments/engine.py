"""
The one module that speaks to the engine host: `infra/engine_host/README.md` is the contract.

No ORM and no Django settings but paths given by the caller. One `HostProcess` carries out one
request; its lines are read by the caller's own thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from apps.deployments.processes import facts_of, kill_session

PROTOCOL = 1
ROOT = Path(__file__).resolve().parents[2]
HOST_COMMAND = (sys.executable, "-m", "infra.engine_host")
EMBEDDED_ROOT = ROOT / "infra" / "embedded_engine"
# A line that is longer is no line of the contract.
LONGEST_LINE = 64 * 1024 * 1024

HANDED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ORCHESTRA_LOUD_SDK",
)
INDEX_PREFIXES = ("PIP_", "npm_config_", "NPM_CONFIG_", "UV_INDEX")
# Credentials of the state backend, by the scheme of its URL.
BACKEND_PREFIXES = {
    "s3": ("AWS_",),
    "azblob": ("AZURE_",),
    "gs": ("GOOGLE_",),
    "postgres": ("PG",),
}


class HostGone(Exception):
    """The host ended without a result line. `stderr` holds the end of what it said."""

    def __init__(self, code: int | None, stderr: str) -> None:
        super().__init__(f"The engine host ended with {code} and no result.")
        self.code = code
        self.stderr = stderr


@dataclasses.dataclass(frozen=True)
class HostRequest:
    """One request; the names are those of the contract."""

    run: str
    operation: str
    project: str
    stack: str
    work_dir: Path
    backend_url: str
    engine_roots: Sequence[str]
    passphrase_file: str
    encryption_salt: str | None = None
    program: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"kind": "builtin"})
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refresh: bool = False
    destroy: bool = False
    targets: Sequence[str] = ()
    plan: str | None = None
    clear_pending_creates: bool = False
    adopt: Mapping[str, str] = dataclasses.field(default_factory=dict)
    state: str | None = None
    keep: str | None = None
    locks: Sequence[Mapping[str, Any]] = ()
    imports: Sequence[Mapping[str, Any]] = ()
    parallel: int | None = None
    time_limit: float = 3600.0
    grace: float = 20.0

    def document(self) -> dict[str, Any]:
        """The JSON document. Not `dataclasses.asdict`: that would copy every secret once more."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **fields,
            "protocol": PROTOCOL,
            "work_dir": str(self.work_dir),
            "pulumi_home": str(self.work_dir / "home"),
            "engine_roots": list(self.engine_roots),
            "targets": list(self.targets),
            "locks": [dict(lock) for lock in self.locks],
            "imports": [dict(entry) for entry in self.imports],
            "program": dict(self.program),
            "config": dict(self.config),
            "adopt": dict(self.adopt),
        }


def scrubbed_environment(
    backend_url: str, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The host's environment, built from nothing by an allow-list."""
    source = os.environ if environ is None else environ
    scheme = backend_url.partition("://")[0]
    prefixes = (*INDEX_PREFIXES, *BACKEND_PREFIXES.get(scheme, ()))
    kept = {
        name: value
        for name, value in source.items()
        if name in HANDED_ON or name.startswith(prefixes)
    }
    kept.setdefault("PATH", os.defpath)
    kept["LANG"] = "C.UTF-8"
    # Only inside a measured test run is this ever set: coverage of the host's own process.
    if "COVERAGE_PROCESS_CONFIG" in source:
        kept["COVERAGE_PROCESS_CONFIG"] = source["COVERAGE_PROCESS_CONFIG"]
    return kept


def engine_roots(home: Path, setting: str, path: str | None = None) -> list[str]:
    """
    Candidates in order: the setting, the CLI on PATH, the copy the start installed, the embedded
    engine.
    """
    candidates = [setting] if setting else []
    if found := shutil.which("pulumi", path=path):
        candidates.append(str(Path(found).resolve().parent.parent))
    candidates += [str(home / "engine"), str(EMBEDDED_ROOT)]
    return list(dict.fromkeys(candidates))


def likely_engine(roots: Sequence[str]) -> str:
    """Name of the engine that a run would find: `pulumi`, `embedded`, or empty for none."""
    for root in roots:
        if os.access(Path(root) / "bin" / "pulumi", os.X_OK):
            return "embedded" if Path(root) == EMBEDDED_ROOT else "pulumi"
    return ""


class HostProcess:
    """
    One running host in a session of its own. `lines` yields its documents until it ends; the
    request goes in on a thread, because it may be longer than a pipe holds.
    """

    def __init__(
        self, request: HostRequest, *, command: Sequence[str] = (), stderr: Path | None = None
    ) -> None:
        self.stderr_path = stderr or request.work_dir / "host.err"
        with self.stderr_path.open("ab") as errors:
            self._process = subprocess.Popen(
                list(command or HOST_COMMAND),
                cwd=ROOT,
                env=scrubbed_environment(request.backend_url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                umask=0o077,
            )
        self.pid = self._process.pid
        self.start_ticks = facts_of(self.pid).start_ticks
        self._engines: dict[int, int | None] = {}
        self._write_lock = threading.Lock()
        threading.Thread(
            target=self._say, args=(request.document(),), name="host-request", daemon=True
        ).start()

    def cancel(self) -> None:
        """Asks for a stop: the first time one interrupt to the engine, the second time another."""
        self._say({"control": "cancel"})

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every document the host writes; what is no JSON object is passed over."""
        stream = self._process.stdout
        assert stream is not None
        for raw in _whole_lines(stream):
            with contextlib.suppress(ValueError):
                document = json.loads(raw)
                if isinstance(document, dict):
                    self._note(document)
                    yield document

    def wait(self, limit: float) -> int | None:
        """The exit status, or None when it still runs after `limit` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(limit)
        return None

    def kill(self) -> None:
        """SIGKILL to the sessions of host and engine."""
        for pid, ticks in self._engines.items():
            kill_session(pid, ticks)
        kill_session(self.pid, self.start_ticks)

    def close(self) -> None:
        """Closes our ends of the pipes; the host takes that as the end of the run process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def last_words(self, size: int = 2000) -> str:
        """The end of the host's standard error."""
        try:
            return self.stderr_path.read_text(errors="replace")[-size:].strip()
        except OSError:
            return ""

    def _say(self, document: Mapping[str, Any]) -> None:
        stream = self._process.stdin
        assert stream is not None
        # A host that is gone needs no request; its missing result tells.
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            stream.write(json.dumps(document).encode() + b"\n")
            stream.flush()

    def _note(self, document: Mapping[str, Any]) -> None:
        if document.get("type") == "engine" and isinstance(document.get("pid"), int):
            self._engines[document["pid"]] = document.get("start_ticks")
        elif document.get("type") == "engine_exit":
            self._engines.pop(document.get("pid", 0), None)


def _whole_lines(stream: BinaryIO | Any) -> Iterator[bytes]:
    while raw := stream.readline(LONGEST_LINE):
        yield raw


def call_host(
    request: HostRequest, *, command: Sequence[str] = (), limit: float = 60.0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    One short service operation to its end: (hello, result). Raises HostGone when there is no
    result within `limit` seconds.
    """
    host = HostProcess(request, command=command)
    hello: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    timer = threading.Timer(limit, host.kill)
    timer.start()
    try:
        for line in host.lines():
            if line.get("type") == "hello":
                hello = line
            elif line.get("type") == "result":
                result = line
        code = host.wait(5.0)
    finally:
        timer.cancel()
        host.kill()
        host.wait(5.0)
        host.close()
    if result is None:
        raise HostGone(code, host.last_words())
    return hello, result
