"""
The order of a start. Every step does nothing when there is nothing to do, so a second start is
quick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from orchestra_portal.start import console, node
from orchestra_portal.start.engine import EngineDownload
from orchestra_portal.start.environment import ensure_environment
from orchestra_portal.start.first_deployment import (
    deploy_development,
    is_first,
    record_start,
    wait_for_portal,
)
from orchestra_portal.start.keys import ensure_keys
from orchestra_portal.start.place import (
    FREE_FOR_START,
    Place,
    check_space,
    find_place,
    prepare_folders,
)
from orchestra_portal.start.processes import describe, holder_of, is_free
from orchestra_portal.start.refusal import StartRefused
from orchestra_portal.start.stop import (
    StopAsked,
    close_ears,
    end_supervisord,
    listen_for_stop,
    stop_everything,
)
from orchestra_portal.start.supervisor import clear_leftovers, start_supervisord

INTERRUPTED = 130
REFUSED = 2


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the steps before supervisord found out."""

    administrator: dict[str, str] | None
    deployed: bool


def main(_arguments: Sequence[str]) -> int:
    """
    Starts the portal and stays until it is stopped. Exit status 0 after a stop, 2 after a
    refusal.
    """
    os.umask(0o077)
    began = time.monotonic()
    listen_for_stop()
    try:
        place = find_place()
        prepare_folders(place)
        with start_lock(place):
            return start(place, began)
    except StartRefused as refusal:
        console.say(f"\nThe portal was not started. {refusal}")
        return REFUSED
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        console.say(
            "\nThe portal was not started. The disk is full.\n  What to do: Free 1 GB and run"
            " the command again."
        )
        return REFUSED
    except StopAsked:
        console.say("\nStopped before the portal was up. The next start goes on from here.")
        return INTERRUPTED


def start(place: Place, began: float) -> int:
    """All steps, then the watch over supervisord."""
    console.say(f"Orchestra Portal, state in {place.home}")
    check_space(place.home, FREE_FOR_START)
    if cleaned := clear_leftovers(place):
        console.step("leftovers", cleaned)
    check_port(place)
    prepared = prepare(place)
    supervisord = start_supervisord(place)
    try:
        wait_for_portal(place, supervisord)
        took = time.monotonic() - began
        console.step("portal", f"{place.url} answers after {console.seconds(began)}")
        tell_administrator(place, prepared.administrator)
        if is_first(place, deployed=prepared.deployed):
            record_start(place, took)
            first_deployment(place)
        console.say(f"\nOpen {place.url}  Ctrl-C stops everything.")
        code = supervisord.wait()
    except StopAsked:
        stop_everything(place, supervisord)
        return 0
    except BaseException:
        close_ears()
        end_supervisord(place, supervisord)
        raise
    close_ears()
    end_supervisord(place, supervisord)
    raise StartRefused(
        f"supervisord ended with status {code}.", f"Read {place.log}/supervisord.log."
    )


def prepare(place: Place) -> Prepared:
    """
    Packages, secrets, engine, Node and database; the engine's download goes on beside the
    others.
    """
    if place.settings.get("ORCHESTRA_VENV"):
        console.step("packages", f"those of {place.venv} (ORCHESTRA_VENV)")
    else:
        console.step("packages", ensure_environment(place.root))
    console.step("secrets", ensure_keys(place.secrets, has_data=place.prepared.exists()))
    download = EngineDownload(place)
    try:
        download.start()
        folder, text = node.ensure_node(place)
        console.step("node", text)
        if folder:
            # Everything started from here finds this Node first, as the portal's own processes do.
            os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
        result = prepare_database(place)
        count = result["migrations"]
        console.step("database", f"{count} migrations applied" if count else "up to date")
        console.step("engine", download.finish())
    finally:
        download.end()
    return Prepared(administrator=result["administrator"], deployed=result["deployed"])


def prepare_database(place: Place) -> dict[str, Any]:
    """
    Runs `preparation` in the virtual environment. Raises StartRefused with its last words when
    it fails.
    """
    log = place.log / "preparation.log"
    with log.open("w") as errors:
        done = subprocess.run(
            [str(place.python), "-m", "orchestra_portal.start.preparation"],
            cwd=place.root,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        lines = [
            line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()
        ]
        raise StartRefused(
            f"The database could not be prepared: {lines[-1] if lines else 'no reason was given'}",
            f"Read {log}, mend what it names (a setting, the database server, the disk) and run"
            " the command again.",
        )
    place.prepared.touch()
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def check_port(place: Place) -> None:
    """Refuses when another process has the portal's port, and names it."""
    if is_free(place.port):
        return
    raise StartRefused(
        f"Port {place.port} is held by {describe(holder_of(place.port))}.",
        f"Stop it, or choose another port: PORTAL_PORT={place.port + 1} make run",
    )


@contextlib.contextmanager
def start_lock(place: Place) -> Iterator[None]:
    """
    Holds this installation for one start at a time; the system gives the lock up when the
    process is gone.
    """
    with (place.run / "start.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StartRefused(
                f"The portal of {place.home} runs already (process"
                f" {file.read().strip() or 'unknown'}).",
                f"Open {place.url}, or stop it with Ctrl-C in its terminal.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        os.set_inheritable(file.fileno(), False)
        yield


def tell_administrator(place: Place, administrator: dict[str, str] | None) -> None:
    """Prints the first administrator's password, once: it is stored nowhere but as its hash."""
    if administrator is None:
        return
    console.say()
    console.step("log in", f"{place.url}admin/")
    console.step("user", administrator["username"])
    console.step("password", f"{administrator['password']}   (shown this once)")


def first_deployment(place: Place) -> None:
    """
    Deploys development and tells how it ended; a failure leaves the portal up, where the reason
    stands.
    """
    code = deploy_development(place)
    if code == 0:
        console.say("\nDevelopment is deployed.")
    else:
        console.say(f"\nThe deployment of development did not succeed (status {code}).")
        console.say("  What to do: read the reason on its page, mend it, and press Deploy there.")
