"""
What the embedded stack costs while nobody asks for anything: processor time and memory.

Goal: at most 2 % of a core and 350 MB for supervisord, web, worker, beat and `make run`, without
MCP servers. Memory is the proportional set size: shared pages count once. Exits 1 when it is more,
or when a program ended meanwhile. Usage: bench/idle.py [SECONDS]
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import time

from tests.start.stack import READY, Stack, run_stack

SETTLE = 20.0
MOST_SHARE, MOST_MEMORY = 2.0, 350.0
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """User and system time of a process since its start."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Proportional set size in MB."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def name_of(command: str) -> str:
    """A short name for a row."""
    words = (
        ("daphne", "web"),
        ("orchestra_portal.worker", "worker"),
        ("orchestra_portal.beat", "beat"),
    )
    return next((name for mark, name in words if mark in command), "supervisord")


def measure(stack: Stack, seconds: float) -> bool:
    """Prints one row for each process and the sum; whether it keeps to the goal."""
    pids = {process.pid: name_of(process.command) for process in stack.processes()}
    pids[stack.process.pid] = "make run"
    before = {pid: processor_seconds(pid) for pid in pids}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    total_share = total_memory = 0.0
    gone = [name for pid, name in pids.items() if not pathlib.Path(f"/proc/{pid}").exists()]
    if gone:
        print(f"ended while it was measured: {', '.join(gone)}")
        for name in gone:
            file = stack.place.log / f"{name}.log"
            print(file.read_text(errors="replace")[-3000:] if file.exists() else "no log")
        return False
    print(f"{'process':<14}{'% of a core':>12}{'MB':>8}")
    for pid, name in sorted(pids.items(), key=lambda item: item[1]):
        share = (processor_seconds(pid) - before[pid]) / passed * 100
        size = memory(pid)
        total_share += share
        total_memory += size
        print(f"{name:<14}{share:>12.2f}{size:>8.1f}")
    print(
        f"{'all':<14}{total_share:>12.2f}{total_memory:>8.1f}   over {passed:.0f} s,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    return total_share <= MOST_SHARE and total_memory <= MOST_MEMORY


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with (
        tempfile.TemporaryDirectory(prefix="idle-") as folder,
        run_stack(pathlib.Path(folder) / "home") as stack,
    ):
        stack.wait_for(READY, 120)
        time.sleep(SETTLE)
        kept = measure(stack, seconds)
        return stack.stop() or int(not kept)


if __name__ == "__main__":
    sys.exit(main())
