"""The first start deploys development once, in sight of the person who started it."""

from __future__ import annotations

import pathlib
import subprocess
import time
import urllib.error
import urllib.request
from http import HTTPStatus

from orchestra_portal.start import console
from orchestra_portal.start.place import Place
from orchestra_portal.start.refusal import StartRefused
from orchestra_portal.start.supervisor import failed_programs

ANSWER_LIMIT = 90.0
POLL = 0.1
# A healthy start asks supervisord rarely: its answer costs more than a look at the port.
ASK_EVERY = 10


def wait_for_portal(
    place: Place, supervisord: subprocess.Popen[bytes], limit: float = ANSWER_LIMIT
) -> None:
    """
    Returns when /healthz answers. Raises StartRefused with the log's last lines when it never
    will.
    """
    deadline = time.monotonic() + limit
    for count in range(int(limit / POLL) + 1):
        if answers(place):
            return
        if supervisord.poll() is not None:
            raise StartRefused(
                f"supervisord ended with status {supervisord.returncode}:"
                f" {tail(place.log / 'supervisord.out')}",
                f"Read {place.log}/supervisord.log, mend what it names and run the command again.",
            )
        if count % ASK_EVERY == 0 and (failed := failed_programs(place)):
            raise StartRefused(
                f"{' and '.join(failed)} would not start: {tail(place.log / f'{failed[0]}.log')}",
                f"Read {place.log}/{failed[0]}.log, mend what it names and run the command again.",
            )
        if time.monotonic() > deadline:
            break
        time.sleep(POLL)
    raise StartRefused(
        f"The portal does not answer on {place.url} after {limit:.0f} s:"
        f" {tail(place.log / 'web.log')}",
        f"Read {place.log}/web.log, mend what it names and run the command again.",
    )


def answers(place: Place) -> bool:
    """
    Whether /healthz answers 200 within two seconds.

    It asks as the proxy in front would: by a host name that is allowed, and over TLS where the
    portal insists on it.
    """
    hosts = (place.settings.get("PORTAL_ALLOWED_HOSTS") or "127.0.0.1").split(",")
    name = hosts[0].strip().lstrip(".").replace("*", "127.0.0.1")
    headers = {"Host": name, "X-Forwarded-Proto": "https"}
    url = f"{place.url}healthz"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - always http://127.0.0.1
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


def tail(log: pathlib.Path, count: int = 3) -> str:
    """The last lines of a log that say something, as one line."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "it wrote no log"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "its log is empty"


def record_start(place: Place, seconds: float) -> None:
    """Keeps how long the first start took, for the page of metrics; no start fails for it."""
    command = [str(place.python), "manage.py", "record_start", f"{seconds:.1f}"]
    done = subprocess.run(
        command, cwd=place.root, env=place.environment(), capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        console.step("metrics", f"how long the start took is not on record: {said}")


def deploy_development(place: Place) -> int:
    """
    Requests the deployment of development, confirmed, and shows its progress. Returns the
    command's exit status.

    The command only watches: when it is stopped, the run goes on by itself.
    """
    (place.home / "first_deployment").write_text("requested\n")
    console.say("\nDeploying development for the first time.")
    process = subprocess.Popen(
        [str(place.python), "manage.py", "deploy", "development", "--watch", "--yes"],
        cwd=place.root,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches the whole foreground group; the starter decides what ends when.
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        process.terminate()
        process.wait()


def is_first(place: Place, *, deployed: bool) -> bool:
    """Whether nothing was ever deployed here, nor asked for by an earlier start."""
    return not deployed and not (place.home / "first_deployment").exists()
