"""
PostgreSQL and Redis servers for a test session: free loopback ports, temporary folders, own
user.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

START_LIMIT = 30.0
POLL = 0.05


@dataclasses.dataclass(frozen=True)
class Postgres:
    """A running server. Databases are cheap: `create_database` gives each test one of its own."""

    host: str
    port: int
    user: str
    password: str
    programs: pathlib.Path

    def url(self, database: str = "postgres") -> str:
        """The server as a URL for DATABASE_URL or psycopg."""
        return f"postgres://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """
        Creates an empty database and returns its URL.

        One of that name is dropped: a test that runs again must not stumble over its own first try.
        """
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as c:
            c.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            c.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged_user() -> str | None:
    """Whom a server runs as when we are root, which PostgreSQL refuses. None: as we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


@contextlib.contextmanager
def server_folder(user: str | None) -> Iterator[pathlib.Path]:
    """A temporary folder with a short name (Unix sockets go in) that the server's user owns."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="op-", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(user: str | None) -> dict[str, object]:
    """Arguments for `subprocess` that make a child run as another user, without our groups."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def wait_for_port(port: int, process: subprocess.Popen, log: pathlib.Path) -> None:
    """
    Returns when the port answers; raises with the log's end when the server died or takes too
    long.
    """
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(POLL)
    message = f"The server on port {port} did not start: {log.read_text(errors='replace')[-1000:]}"
    raise RuntimeError(message)


@contextlib.contextmanager
def running(command, port, folder, user, stop=signal.SIGTERM) -> Iterator[None]:
    """Runs a server until the block ends, and waits for its end."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            **as_user(user),
        )
    try:
        wait_for_port(port, process, log)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def run_postgres(programs: pathlib.Path) -> Iterator[Postgres]:
    """A PostgreSQL server with a password, without durability, which tests do not need."""
    with prepared_postgres(programs) as (server, start), start():
        yield server


@contextlib.contextmanager
def prepared_postgres(
    programs: pathlib.Path,
) -> Iterator[tuple[Postgres, Callable[[], AbstractContextManager[None]]]]:
    """A server that stands still, and what runs it until its block ends: once, or again."""
    user = unprivileged_user()
    with server_folder(user) as folder:
        data, password = folder / "data", secrets.token_hex(12)
        secret = folder / "password"
        secret.write_text(password)
        if user:
            shutil.chown(secret, user)
        initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", "portal"]
        initdb += ["--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        initdb += ["--locale", "C.UTF-8", "--no-sync"]
        done = subprocess.run(
            initdb, cwd=folder, capture_output=True, text=True, check=False, **as_user(user)
        )
        if done.returncode:
            message = f"initdb failed: {done.stderr[-1000:]}"
            raise RuntimeError(message)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "200",
            "wal_level": "replica",
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: it ends the sessions instead of waiting for them.
        server = Postgres("127.0.0.1", port, "portal", password, programs)
        yield server, lambda: running(command, port, folder, user, signal.SIGINT)


@contextlib.contextmanager
def prepared_standby(
    primary: Postgres,
) -> Iterator[tuple[int, Callable[[], AbstractContextManager[None]]]]:
    """The port of a streaming standby of this server, and what runs it until its block ends."""
    user = unprivileged_user()
    with server_folder(user) as folder:
        data, port = folder / "data", free_port()
        copy = [str(primary.programs / "pg_basebackup"), "--pgdata", str(data), "--no-sync"]
        copy += ["--write-recovery-conf", "--checkpoint", "fast", "--dbname"]
        done = subprocess.run(
            [*copy, primary.url().removesuffix("/postgres")],
            cwd=folder, capture_output=True, text=True, check=False, **as_user(user),
        )  # fmt: skip
        if done.returncode:
            message = f"pg_basebackup failed: {done.stderr[-1000:]}"
            raise RuntimeError(message)
        command = [str(primary.programs / "postgres"), "-D", str(data), "-c", f"port={port}"]
        command += ["-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        command += ["-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1"]
        yield port, lambda: running(command, port, folder, user, signal.SIGINT)


@contextlib.contextmanager
def run_redis(program: str) -> Iterator[str]:
    """A Redis server that keeps nothing on disk."""
    user = unprivileged_user()
    with server_folder(user) as folder:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        with running([*command, str(folder), "--appendonly", "no"], port, folder, user):
            yield f"redis://127.0.0.1:{port}/0"
