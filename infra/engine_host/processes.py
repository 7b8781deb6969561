"""Facts about processes that outlive a reused pid, and the end of a whole session."""

import contextlib
import os
import signal
from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """Clock ticks since boot at which the process began; with the pid it is unique."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def session_members(session: int) -> list[int]:
    """Pids of all processes of a session: providers lead groups of their own inside it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def kill_session(session: int) -> None:
    """SIGKILL to every process of the session, the leader first."""
    for pid in sorted(session_members(session), key=lambda pid: pid != session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on; the name before them may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
