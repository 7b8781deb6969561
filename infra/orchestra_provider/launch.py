"""
Becomes the program of a specification file, with exactly the environment that stands there.

supervisord hands its own environment to everything it starts, and the portal's keys are in it.
Standard library
only, run as `python -I launch.py FILE`; the process keeps its pid.
"""

import json
import os
import sys

INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "TZ")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as stream:  # noqa: PTH123 (pathlib costs 10 ms at each start)
        specification = json.load(stream)
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["LANG"] = "C.UTF-8"
    environment.update(specification["environment"])
    command = specification["command"]
    os.execve(command[0], command, environment)  # noqa: S606 (no shell is what we want)


if __name__ == "__main__":
    main()
