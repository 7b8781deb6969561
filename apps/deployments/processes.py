"""
Who a process is, for ever, and whether it is gone: host, pid, start ticks and boot id together.

A pid alone is reused. A process of another host, or one whose start nobody wrote down, is never
said to be dead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Zombie, dead: it runs no instruction any more, only its parent has not looked.
GONE_STATES = frozenset("ZXx")
# Fields of /proc/<pid>/stat after the command's closing parenthesis.
STATE, SESSION, START_TICKS = 0, 3, 19


@dataclasses.dataclass(frozen=True)
class ProcessFacts:
    """What identifies one process among all there ever were."""

    host: str
    pid: int
    start_ticks: int | None
    boot_id: str


def host_name() -> str:
    return socket.gethostname()


def boot_id() -> str:
    """The id of the machine's present boot; empty where the system does not tell."""
    with contextlib.suppress(OSError):
        return BOOT_ID.read_text().strip()
    return ""


def own_facts() -> ProcessFacts:
    return facts_of(os.getpid())


def facts_of(pid: int) -> ProcessFacts:
    """Facts of a process on this host. `start_ticks` is None when it is gone already."""
    fields = _stat(pid)
    ticks = int(fields[START_TICKS]) if fields else None
    return ProcessFacts(host_name(), pid, ticks, boot_id())


def is_alive(pid: int, start_ticks: int | None) -> bool:
    """Whether this very process runs on this host; without ticks, any process of the pid."""
    fields = _stat(pid)
    if not fields or fields[STATE] in GONE_STATES:
        return False
    return start_ticks is None or int(fields[START_TICKS]) == start_ticks


def is_proven_dead(facts: ProcessFacts) -> bool:
    """
    True only with proof: the host is this one, and either it was booted since, or no process has
    this pid and these start ticks.
    """
    if facts.host != host_name():
        return False
    if facts.boot_id and facts.boot_id != boot_id():
        return True
    if facts.start_ticks is None:
        return not is_alive(facts.pid, None)
    return not is_alive(facts.pid, facts.start_ticks)


def session_members(leader: int) -> Iterator[int]:
    """Pids of this host's living processes in the session that `leader` began."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat(int(entry.name))
        if fields and int(fields[SESSION]) == leader and fields[STATE] not in GONE_STATES:
            yield int(entry.name)


def kill_session(leader: int, start_ticks: int | None) -> None:
    """
    SIGKILL to everything in the session of this very process. Does nothing when the leader's pid
    has become somebody else.
    """
    fields = _stat(leader)
    if fields and start_ticks is not None and int(fields[START_TICKS]) != start_ticks:
        return
    for pid in [leader, *session_members(leader)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command may hold spaces and parentheses; what follows the last one does not.
    return text.rpartition(")")[2].split()
