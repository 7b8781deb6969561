"""Ctrl-C: everything ends in order, a run under way is waited for, and no process stays behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from types import FrameType

from orchestra_portal.start import console
from orchestra_portal.start.place import Place
from orchestra_portal.start.processes import stop_processes
from orchestra_portal.start.supervisor import stop_program, supervised

WAIT_FOR_RUNS = 120.0
WAIT_FOR_SUPERVISORD = 60.0


class StopAsked(BaseException):
    """
    Somebody pressed Ctrl-C, ended the process, or closed the terminal.

    Not an Exception, like KeyboardInterrupt: no handler of errors may swallow it.
    """


def raise_stop(_number: int, _frame: FrameType | None) -> None:
    raise StopAsked


def listen_for_stop() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise StopAsked in the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_stop)


def close_ears() -> None:
    """
    The last steps of a stop are not interrupted: a third Ctrl-C must not leave half of the
    processes.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def stop_everything(place: Place, supervisord: subprocess.Popen[bytes]) -> None:
    """
    Stops in order: beat and worker, then the runs under way are waited for, then web and the MCP
    servers.
    """
    console.say("\nStopping. Press Ctrl-C again to leave a run that is under way.")
    try:
        for name in ("beat", "worker"):
            if stop_program(place, name):
                console.step(name, "stopped")
        wait_for_runs(place)
    except StopAsked:
        console.step(
            "runs",
            "left under way; they end by themselves, and the next start takes up what they say",
        )
    close_ears()
    end_supervisord(place, supervisord)


def end_supervisord(place: Place, supervisord: subprocess.Popen[bytes]) -> None:
    """Ends supervisord, which ends its programs in order, and what would not go."""
    if supervisord.poll() is None:
        supervisord.send_signal(signal.SIGTERM)
        try:
            supervisord.wait(WAIT_FOR_SUPERVISORD)
        except subprocess.TimeoutExpired:
            console.step(
                "supervisord", f"did not end within {WAIT_FOR_SUPERVISORD:.0f} s and is killed"
            )
            supervisord.kill()
            supervisord.wait()
    left = supervised(place)
    if left:
        stop_processes(left)
    still = supervised(place)
    (place.run / "supervisord.pid").unlink(missing_ok=True)
    place.socket.unlink(missing_ok=True)
    if still:
        console.step(
            "stopped", f"but these processes do not end: {', '.join(str(p.pid) for p in still)}"
        )
    else:
        console.step("stopped", "the portal and its MCP servers; no process is left")


def wait_for_runs(place: Place, limit: float = WAIT_FOR_RUNS) -> None:
    """Waits until no run is under way, at most `limit` seconds, and says for which."""
    process = subprocess.Popen(
        [str(place.python), "-m", "orchestra_portal.start.under_way", "--wait", str(limit)],
        cwd=place.root,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Ctrl-C at the terminal reaches the whole foreground group; this process must outlive it.
        start_new_session=True,
    )
    try:
        waited = False
        for rows in read_rows(process):
            for row in rows:
                waited = True
                console.step("runs", f"waiting up to {limit:.0f} s for {describe_run(row)}")
        if process.wait() == 1:
            console.step(
                "runs",
                f"not done within {limit:.0f} s; left under way, the next start takes them up",
            )
        elif waited:
            console.step("runs", "done")
    finally:
        process.kill()
        process.communicate()


def read_rows(process: subprocess.Popen[str]) -> Iterator[list[dict[str, str]]]:
    """The lists that `under_way` prints, as they come."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("["):
            yield json.loads(line)


def describe_run(row: dict[str, str]) -> str:
    return f"run {row['run']} ({row['operation']} of {row['environment']}, {row['status']})"
