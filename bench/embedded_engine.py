"""
The embedded engine beside the Pulumi CLI: wall and CPU time, peak memory of an engine process.

    python bench/embedded_engine.py [--sizes 100,500,1000] [--repeat 3]

Program and provider run in this process; the provider is attached and instant. Where a CLI is on
PATH (or in PULUMI_ROOT) it is measured now; otherwise the ratios are against figures recorded with
CLI 3.260.0 on two cores. Exit status 1 when a ratio is above its limit.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.infra.embedded_engine.engine_lab import EMBEDDED, Entry, Lab

# size → operation → (wall seconds, peak MiB) of the CLI process: minimum of five runs
RECORDED = {
    100: {
        "first": (1.14, 132),
        "no-op": (0.79, 121),
        "refresh": (0.38, 120),
        "destroy": (0.92, 126),
    },
    500: {
        "first": (12.3, 156),
        "no-op": (3.30, 145),
        "refresh": (0.70, 135),
        "destroy": (10.5, 143),
    },
    1000: {
        "first": (50.2, 188),
        "no-op": (9.36, 173),
        "refresh": (1.23, 158),
        "destroy": (42.2, 164),
    },
}
LIMITS = {
    ("first", 100): 1.2,
    ("first", 500): 0.6,
    ("first", 1000): 0.3,
    "no-op": 1.5,
    "memory": 1.0,
}
Figures = dict[str, tuple[float, float, float]]
START_LIMIT = 0.150  # seconds, commands without a program


def program(size: int) -> Callable[[], None]:
    return lambda: [Entry(f"r{i}", {"v": i}) for i in range(size)] and None


def measure(root: Path, size: int) -> Figures:
    """Operation → (wall seconds, CPU seconds, peak MiB) of one life of a stack."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), root).init()
        try:
            for name, run in (
                ("first", lambda: lab.up(program(size))),
                ("no-op", lambda: lab.up(program(size))),
                ("refresh", lab.refresh),
                ("destroy", lab.destroy),
            ):
                start = time.perf_counter()
                outcome = run()
                wall = time.perf_counter() - start
                assert outcome.code == 0, outcome.stdout + outcome.stderr
                used = outcome.usage
                found[name] = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
        finally:
            lab.close()
    return found


def best(root: Path, size: int, repeat: int) -> Figures:
    runs = [measure(root, size) for _ in range(repeat)]
    return {name: tuple(min(r[name][i] for r in runs) for i in range(3)) for name in runs[0]}


def starts(repeat: int = 15) -> dict[str, tuple[float, float]]:
    """Command → least and median seconds of commands that touch no program."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder)).init()
        for args in (
            ["version"], ["stack", "ls", "--json"], ["stack", "output", "--json"],
            ["stack", "history", "--json"], ["config", "--json"],
        ):  # fmt: skip
            times = []
            for _ in range(repeat):
                start = time.perf_counter()
                command = [lab.engine, *args]
                where = {"cwd": lab.work, "env": lab.env}
                subprocess.run(command, check=True, capture_output=True, **where)
                times.append(time.perf_counter() - start)
            found[" ".join(args[:2])] = (min(times), sorted(times)[repeat // 2])
        lab.close()
    return found


def cli_root() -> Path | None:
    found = os.environ.get("PULUMI_ROOT") or shutil.which("pulumi")
    if not found or EMBEDDED in Path(found).resolve().parents:
        return None
    return Path(found) if Path(found).is_dir() else Path(found).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", default="100,500,1000")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    root = cli_root()
    source = f"the CLI at {root}, measured now" if root else "recorded figures of CLI 3.260.0"
    print(f"compared with {source}")
    broken = []
    for name, (least, median) in starts().items():
        print(f"start  {name:16} {least * 1000:5.0f} ms least {median * 1000:5.0f} ms median")
        broken += [name] if least > START_LIMIT else []
    print("size   operation   wall s   CPU s   MiB     CLI s  CLI MiB   wall ratio  memory ratio")
    for size in map(int, args.sizes.split(",")):
        theirs = best(root, size, args.repeat) if root else RECORDED[size]
        for name, (wall, cpu, memory) in best(EMBEDDED, size, args.repeat).items():
            their_wall, their_memory = theirs[name][0], theirs[name][-1]
            ratio, memory_ratio = wall / their_wall, memory / their_memory
            limit = LIMITS.get((name, size), LIMITS.get(name, float("inf")))
            bad = ratio > limit or memory_ratio > LIMITS["memory"]
            broken += [f"{name} of {size}"] if bad else []
            print(
                f"{size:5}  {name:10} {wall:7.2f} {cpu:7.2f} {memory:6.0f}  {their_wall:7.2f}  "
                f"{their_memory:6.0f}  {ratio:10.2f}  {memory_ratio:11.2f}  "
                f"{'TOO MUCH' if bad else ''}"
            )
    print("above the limit: " + ", ".join(broken) if broken else "every ratio is within its limit")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
