"""
`make test`: every test whose parts this machine has, with coverage of branches, children included.

pytest's closing line is repeated at the end, after the coverage, so that it is the last thing told.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from tests import parts

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLOSING = re.compile(r"^=* ?\d+ (passed|failed|skipped|error|xfailed|deselected).* in [\d.]+s")
# Percent, branches included. The floor rises with the tests and never falls.
NEEDED = 90
# Without these parts whole doors go untested, and a figure for coverage would say nothing.
MEASURED_WITH = ("postgres", "redis", "chromium")
NO_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_pytest(arguments: list[str]) -> tuple[int, str]:
    """Runs the tests, shows what they say as it comes, and returns exit status and closing line."""
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-n", "2", *arguments]
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    closing = ""
    with subprocess.Popen(
        [*command, *colour], cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if CLOSING.match(NO_COLOUR.sub("", line)):
                closing = line.rstrip("\n")
    return process.returncode, closing


def report_coverage(needed: int) -> int:
    """Joins the data of all processes and reports it. Exit status 2 below `needed` percent."""
    coverage = [sys.executable, "-m", "coverage"]
    combined = subprocess.run(
        [*coverage, "combine", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if combined.returncode:
        sys.stdout.write(f"No coverage: {combined.stdout}{combined.stderr}")
        return combined.returncode
    sys.stdout.flush()
    command = [*coverage, "report", f"--fail-under={needed}", "--show-missing"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(arguments: list[str]) -> int:
    """Tests, coverage, closing line. A selection of tests is run without a demand on coverage."""
    os.chdir(ROOT)
    for file in ROOT.glob(".coverage*"):
        file.unlink()
    complete = not arguments and all(parts.PARTS[name].find() for name in MEASURED_WITH)
    code, closing = run_pytest(arguments)
    covered = report_coverage(NEEDED if complete else 0)
    if not complete:
        sys.stdout.write(
            f"Coverage is not held to {NEEDED} %: parts are missing, or a selection ran.\n"
        )
    sys.stdout.write(f"{closing or 'pytest ended without a closing line.'}\n")
    return code or covered


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
