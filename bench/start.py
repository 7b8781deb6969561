"""
How long a start and a stop take, once the packages are installed.

Goal: a second start within 10 s. Usage: bench/start.py [HOW OFTEN]
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile
import time

from tests.start.stack import READY, run_stack


def once(home: pathlib.Path) -> tuple[float, float]:
    """Seconds until the portal was up, and until the last process was gone after Ctrl-C."""
    with run_stack(home) as stack:
        up = stack.wait_for(READY, 120)
        began = time.monotonic()
        stack.stop()
        return up, time.monotonic() - began


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        home = pathlib.Path(folder) / "home"
        up, down = once(home)
        print(f"first start  {up:6.2f} s   stop {down:5.2f} s")
        again = [once(home) for _ in range(count)]
    ups, downs = zip(*again, strict=True)
    print(
        f"later start  {statistics.median(ups):6.2f} s   stop {statistics.median(downs):5.2f} s"
        f"   median of {count}, slowest start {max(ups):.2f} s"
    )
    return 0 if max(ups) <= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
