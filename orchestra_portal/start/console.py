"""Lines for the person at the terminal: one aligned line per step, readable in a log file too."""

from __future__ import annotations

import sys
import time

WIDTH = 12


def step(name: str, text: str) -> None:
    """Prints one line: the name of the step, aligned, and what became of it."""
    say(f"  {name:<{WIDTH}}{text}")


def say(text: str = "") -> None:
    """
    Prints a line at once. A terminal that is gone must not stop an orderly stop, so that error
    is dropped.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return


def seconds(since: float) -> str:
    """Seconds since a `time.monotonic()` moment, as text: "0.4 s"."""
    return f"{time.monotonic() - since:.1f} s"
