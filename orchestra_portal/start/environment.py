"""
The virtual environment: made once, filled from the locks with hashes, left alone while the locks
are the same.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from orchestra_portal.start import console
from orchestra_portal.start.place import FREE_FOR_INSTALLATION, ROOT, check_space
from orchestra_portal.start.refusal import StartRefused

RUNTIME = ("requirements.txt",)
DEVELOPMENT = ("requirements.txt", "requirements-dev.txt")
# Raise it when the way of installing changes, so that environments of the old way are filled again.
RECIPE = "1"
REPORT_EVERY = 10.0


def ensure_environment(root: pathlib.Path, locks: Sequence[str] = RUNTIME) -> str:
    """
    Makes `<root>/.venv` hold what the locks pin, and returns one line about it.

    A second call with the same locks and the same Python does nothing. Raises StartRefused when the
    environment cannot be made: no venv module, no package index, no space.
    """
    venv = root / ".venv"
    with exclusive(root):
        if all(is_stamped(venv, root / lock) for lock in locks):
            return "ready, unchanged since the last start"
        check_space(root, FREE_FOR_INSTALLATION)
        since = time.monotonic()
        if not is_stamped(venv, None):
            make_venv(venv)
        count = install(venv, [root / lock for lock in locks])
        for lock in locks:
            stamp(venv, root / lock)
    return f"{count} pinned packages installed in {console.seconds(since)}"


def stamp_path(venv: pathlib.Path, lock: pathlib.Path | None) -> pathlib.Path:
    """Where the digest of an installed lock is kept; without a lock, that of the interpreter."""
    return venv / f"installed-{lock.stem if lock else 'python'}"


def digest_of(lock: pathlib.Path | None) -> str:
    """
    SHA-256 over the lock, the interpreter and the recipe: a change of either means a new
    installation.
    """
    digest = hashlib.sha256(f"{RECIPE} {sys.version} {sys.base_prefix}".encode())
    digest.update(lock.read_bytes() if lock else b"")
    return digest.hexdigest()


def stamp(venv: pathlib.Path, lock: pathlib.Path | None) -> None:
    stamp_path(venv, lock).write_text(digest_of(lock))


def is_stamped(venv: pathlib.Path, lock: pathlib.Path | None) -> bool:
    """Whether exactly this lock is installed and the interpreter is still there."""
    path = stamp_path(venv, lock)
    return (
        (venv / "bin" / "python").exists()
        and path.is_file()
        and path.read_text() == digest_of(lock)
    )


@contextlib.contextmanager
def exclusive(folder: pathlib.Path) -> Iterator[None]:
    """Holds the folder against another `make` of the same clone; waits for it with one line."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.step("packages", "waiting for another make in this folder")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_venv(venv: pathlib.Path) -> None:
    """Makes an empty environment; what an interrupted start left half-filled goes away."""
    arguments = [sys.executable, "-m", "venv", "--clear", str(venv)]
    done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        stamp(venv, None)
        return
    text = done.stdout + done.stderr
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if "ensurepip" in text or "No module named venv" in text:
        raise StartRefused(
            f"This Python ({sys.executable}) comes without the venv or ensurepip module.",
            f"Install it (Debian, Ubuntu: apt-get install python{version}-venv) and run the"
            " command again.",
        )
    raise StartRefused(
        f"No virtual environment could be made: {last_lines(text, 3)}", way_out_of(text)
    )


def install(venv: pathlib.Path, locks: Sequence[pathlib.Path]) -> int:
    """
    Installs exactly what the locks pin, each file checked against its hash. Returns the number
    of packages.
    """
    names = {
        line.split("==")[0]
        for lock in locks
        for line in lock.read_text().splitlines()
        if is_pin(line)
    }
    console.step(
        "packages", f"installing {len(names)} pinned packages, once; this takes a minute or two"
    )
    arguments = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
    ]
    arguments += [
        "--disable-pip-version-check",
        "--no-input",
        "--prefer-binary",
        "--progress-bar",
        "off",
    ]
    for lock in locks:
        arguments += ["--requirement", str(lock)]
    run_pip(arguments, venv / "install.log", len(names))
    return len(names)


def is_pin(line: str) -> bool:
    return "==" in line and not line.startswith((" ", "#"))


def run_pip(arguments: Sequence[str], log: pathlib.Path, total: int) -> None:
    """
    Runs pip into a log file, with a line each ten seconds in which it came further. Raises
    StartRefused when it fails.
    """
    told = ""
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    code = process.wait(REPORT_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    if (words := progress_of(log.read_text(errors="replace"), total)) != told:
                        console.step("", words)
                        told = words
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code != 0:
        text = log.read_text(errors="replace")
        raise StartRefused(
            f"The packages could not be installed: {last_lines(text, 3)}", way_out_of(text)
        )


def progress_of(text: str, total: int) -> str:
    """How far pip came, by what it wrote."""
    if "Installing collected packages" in text:
        return "all fetched; they are being installed"
    return f"{text.count('Collecting ')} of {total} fetched"


def way_out_of(text: str) -> str:
    """What to do about pip's last words."""
    if "No space left" in text:
        return "The disk is full: free about 1 GB and run the command again."
    if "DO NOT MATCH THE HASHES" in text:
        return (
            "A downloaded file is not the pinned one. Check the package index in pip's"
            " configuration; do not install around it."
        )
    if any(
        word in text
        for word in (
            "Connection",
            "Temporary failure",
            "timed out",
            "No matching distribution",
            "SSL",
        )
    ):
        return (
            "Check that pip reaches a package index (pip config list; PIP_INDEX_URL; a proxy),"
            " then run the command again."
        )
    return "The full output is in .venv/install.log. Mend what it names and run the command again."


def last_lines(text: str, count: int) -> str:
    """The last lines that say something, joined into one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:])


def main(arguments: Sequence[str]) -> int:
    """`python3 -m orchestra_portal.start environment [--dev]`: what the Makefile calls."""
    parser = argparse.ArgumentParser(
        prog="python3 -m orchestra_portal.start environment",
        description="Make the project's virtual environment.",
    )
    parser.add_argument("--dev", action="store_true", help="with the tools for tests and checks")
    chosen = parser.parse_args(arguments)
    try:
        text = ensure_environment(ROOT, DEVELOPMENT if chosen.dev else RUNTIME)
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    console.step("packages", text)
    return 0
