"""
What runs on this machine, as far as a start and a stop need to know. Reads /proc; knows nothing
without it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import socket
import time
from collections.abc import Iterator

PROC = pathlib.Path("/proc")
LISTENING = "0A"
# Set in supervisord's environment, so that every process it started can be told from a stranger's.
MARK = "ORCHESTRA_SUPERVISED"


@dataclasses.dataclass(frozen=True)
class Process:
    """
    One process: its number, its session, when it began (clock ticks since boot), its command
    line.
    """

    pid: int
    session: int
    start_ticks: int
    command: str


def read_process(pid: int) -> Process | None:
    """The process with this number, or None when it is gone, a zombie, or cannot be seen."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, so fields count from the last
    # parenthesis.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    text = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid=pid, session=int(fields[3]), start_ticks=int(fields[19]), command=text)


def all_processes() -> Iterator[Process]:
    """Every process this user can see."""
    if not PROC.is_dir():
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := read_process(int(entry.name))):
            yield process


def supervised_processes(mark: str, session: int) -> list[Process]:
    """
    Processes of the supervisord that led this session and carried this mark, itself included.

    A run's process inherits the mark but has a session of its own: it is not among them, because it
    outlives a stop on purpose. The mark guards against a session number that was given to somebody
    else since.
    """
    found = (process for process in all_processes() if process.session == session)
    return [process for process in found if f"{MARK}={mark}" in environment_of(process.pid)]


def environment_of(pid: int) -> list[str]:
    """The environment a process was started with, as `KEY=value`; [] when it cannot be read."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").split("\0")


def stop_processes(processes: list[Process], grace: float = 5.0) -> list[Process]:
    """Ends processes: SIGTERM, `grace` seconds, SIGKILL. Returns those that are still there."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        for process in filter(is_same, processes):
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while any(map(is_same, processes)) and time.monotonic() < deadline:
            time.sleep(0.05)
    return list(filter(is_same, processes))


def is_same(process: Process) -> bool:
    """Whether the process is still there: same number and same start, so no reused number."""
    now = read_process(process.pid)
    return now is not None and now.start_ticks == process.start_ticks


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> Process | None:
    """
    The process that listens on a TCP port, or None when it cannot be told (another user's, no
    /proc).
    """
    inodes = set(listening_inodes(port))
    for process in all_processes() if inodes else ():
        if inodes & open_sockets(process.pid):
            return process
    return None


def listening_inodes(port: int) -> Iterator[str]:
    """Inode numbers of the sockets that listen on a TCP port."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def open_sockets(pid: int) -> set[str]:
    """Inode numbers of the sockets a process holds; empty where it cannot be seen."""
    found = set()
    try:
        for link in (PROC / str(pid) / "fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return found
    return found


def describe(process: Process | None) -> str:
    """How a refusal names a process."""
    if process is None:
        return "a process of another user"
    return f"process {process.pid} ({process.command[:120]})"
