"""One supervisord in the foreground: its configuration, its start, its words on the socket."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator
from typing import Any

from orchestra_portal.start.place import Place
from orchestra_portal.start.processes import (
    MARK,
    Process,
    read_process,
    stop_processes,
    supervised_processes,
)
from orchestra_portal.start.refusal import StartRefused

TEMPLATE = """\
; Written by `make run` at each start; changes here are lost. Programs of deployments: conf.d/.
[supervisord]
nodaemon = true
silent = true
umask = 077
identifier = orchestra
pidfile = {run}/supervisord.pid
logfile = {log}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 3
childlogdir = {log}
directory = {root}

[unix_http_server]
file = {socket}
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = conf.d/*.conf
"""
# A lower priority starts first and stops last: people can watch the stop, and beat makes no hint
# after the worker has ended.
PROGRAM = """
[program:{name}]
command = {command}
directory = {root}
priority = {priority}
startsecs = 2
startretries = 5
stopsignal = TERM
stopwaitsecs = {patience}
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""
PR_SET_PDEATHSIG = 1
RPC_TIMEOUT = 30.0


def commands(place: Place) -> dict[str, tuple[list[str], int, int]]:
    """Program → (command, priority, seconds it may take to stop)."""
    python = str(place.python)
    celery = [python, "-m", "celery", "--quiet", "--app"]
    web = [python, "-m", "daphne", "-b", "127.0.0.1", "-p", str(place.port)]
    return {
        "web": ([*web, "--no-server-name", "orchestra_portal.asgi:application"], 10, 10),
        "worker": ([python, "-m", "orchestra_portal.worker"], 20, 20),
        "beat": (
            [*celery, "orchestra_portal.beat:app", "beat", "--loglevel", "WARNING",
             "--pidfile", ""],
            30,
            10,
        ),
    }  # fmt: skip


def configuration(place: Place) -> str:
    """The text of supervisord.conf. Values are escaped for its own `%(...)s` expansion."""
    text = TEMPLATE.format(
        run=escaped(place.run),
        log=escaped(place.log),
        root=escaped(place.root),
        socket=escaped(place.socket),
    )
    for name, (command, priority, patience) in commands(place).items():
        text += PROGRAM.format(
            name=name,
            command=escaped(shlex.join(command)),
            root=escaped(place.root),
            log=escaped(place.log),
            priority=priority,
            patience=patience,
        )
    return text


def escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def start_supervisord(place: Place) -> subprocess.Popen[bytes]:
    """
    Writes the configuration and starts supervisord in a session of its own, which `session_of`
    finds again.

    It dies with the process that started it, so that a killed `make run` leaves no portal behind.
    """
    file = place.home / "supervisor" / "supervisord.conf"
    file.write_text(configuration(place), encoding="utf-8")
    environment = {**place.environment(), MARK: str(place.home)}
    starter = os.getpid()

    def follow_the_starter() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != starter:
                os._exit(1)

    with (place.log / "supervisord.out").open("wb") as output:
        process = subprocess.Popen(
            [str(place.python), "-m", "supervisor.supervisord", "--configuration", str(file)],
            cwd=place.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=follow_the_starter,  # noqa: PLW1509 - the starter has one thread
        )
    (place.run / "session.json").write_text(json.dumps({"session": process.pid}))
    return process


def session_of(place: Place) -> int | None:
    """The session of the last supervisord, or None when there was none."""
    try:
        return int(json.loads((place.run / "session.json").read_text())["session"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def supervised(place: Place) -> list[Process]:
    """What still runs of the last start of this installation."""
    session = session_of(place)
    return supervised_processes(str(place.home), session) if session else []


def clear_leftovers(place: Place) -> str:
    """
    Ends what a killed start left behind and removes its dead files. Returns a line, empty when
    all was clean.

    The caller holds the start lock, so nothing that is found here can belong to a start that is
    alive.
    """
    left = supervised(place)
    leader = [process for process in left if process.pid == process.session]
    stop_processes(leader, grace=30.0)
    stubborn = stop_processes([process for process in left if read_process(process.pid)])
    if stubborn:
        names = ", ".join(str(process.pid) for process in stubborn)
        raise StartRefused(
            f"Processes of an earlier start do not end: {names}.",
            "End them with kill -9 and run the command again.",
        )
    stale = [path for path in (place.socket, place.run / "supervisord.pid") if path.exists()]
    for path in stale:
        path.unlink()
    words = []
    if left:
        words.append(f"ended {len(left)} processes of a start that was killed")
    if stale:
        words.append(f"removed {', '.join(path.name for path in stale)}, which nobody holds")
    return "; ".join(words)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("localhost", timeout=RPC_TIMEOUT)
        self.path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            raise
        self.sock = connection


class UnixTransport(xmlrpc.client.Transport):
    """
    XML-RPC over supervisord's socket; the virtual environment's own transport is not there yet
    when this loads.
    """

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002 - xmlrpc's own signature
        return UnixConnection(self.path)


@contextlib.contextmanager
def remote(place: Place) -> Iterator[Any]:
    """The XML-RPC namespace of supervisord. Calls raise OSError while nobody answers."""
    with xmlrpc.client.ServerProxy("http://localhost", UnixTransport(place.socket)) as proxy:
        yield proxy.supervisor


def stop_program(place: Place, name: str) -> bool:
    """Stops one program and waits for its end; False when it did not run or supervisord is gone."""
    try:
        with remote(place) as supervisor:
            return bool(supervisor.stopProcess(name))
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return False


def failed_programs(place: Place) -> list[str]:
    """Programs of the portal itself that supervisord has given up."""
    try:
        with remote(place) as supervisor:
            rows = supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return []
    own = commands(place)
    return [row["name"] for row in rows if row["name"] in own and row["statename"] == "FATAL"]
