"""
Entry: `python3 -m orchestra_portal.start`; with `environment [--dev]` the packages only.

Written so that an old Python (3.6) can read it, and say what is missing.
"""

import os
import shutil
import subprocess
import sys

NEEDED = (3, 11)
CANDIDATES = ("python3.13", "python3.12", "python3.11", "python3.14")


def newer_python() -> "str | None":
    """The path of an installed Python that is new enough, or None."""
    for name in CANDIDATES:
        path = shutil.which(name)
        # A version manager's stub is on PATH too, and answers with a failing exit status.
        if path and subprocess.call([path, "-c", "import venv"], stderr=subprocess.DEVNULL) == 0:
            return path
    return None


def main() -> int:
    """Hands over to `start.run`, on a newer Python where this one is too old."""
    if sys.version_info < NEEDED:
        path = newer_python()
        if path:
            os.execv(path, [path, "-m", "orchestra_portal.start", *sys.argv[1:]])  # noqa: S606 - no shell is wanted
        sys.stderr.write(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old: the portal needs 3.11"
            " or newer, and none was found on PATH.\n"
            "  What to do: install one (Debian, Ubuntu: apt-get install python3.11"
            " python3.11-venv) and run: make run PYTHON3=python3.11\n"
        )
        return 2
    from orchestra_portal.start import environment, run  # noqa: PLC0415 - an older Python fails here

    if sys.argv[1:2] == ["environment"]:
        return environment.main(sys.argv[2:])
    return run.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
