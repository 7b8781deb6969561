"""
Git as a subprocess that obeys nobody but the portal.

No configuration of the machine or the user, no hooks, no helpers, no submodules, no redirects, two
protocols; credentials in the environment, never in an argument. Whatever a repository holds is
data: nothing here ever makes a work tree.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from apps.core.errors import Invalid, Unavailable

TIME_LIMIT = 60.0
# Bytes of one file that git writes: a pack.
LARGEST_PACK = 256 * 2**20
# Bytes of what it says of an error, the last ones.
LONGEST_WORDS = 4096
CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "10",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
}
SSH = (
    "ssh", "-F", "/dev/null", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes",
    "-oClearAllForwardings=yes", "-oForwardAgent=no", "-oIdentitiesOnly=yes",
    "-oPermitLocalCommand=no", "-oProxyCommand=none", "-oConnectTimeout=10",
)  # fmt: skip

PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


class GitFailed(Exception):
    """Git ended with an error; its last words, without control characters."""


def run_git(
    arguments: Sequence[str],
    *,
    folder: Path,
    configuration: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    time_limit: float = TIME_LIMIT,
    given: bytes | None = None,
    largest: int = LARGEST_PACK,
) -> bytes:
    """
    What git printed. `configuration` is added to ours and travels in the environment, for it may
    hold a credential. `largest` is how many bytes a file of git's may have, and what it prints:
    beyond it git is ended. Raises GitFailed, Unavailable (`git.slow`, `git.missing`).
    """
    wanted = {**CONFIGURATION, **(configuration or {})}
    with (
        tempfile.TemporaryFile(dir=folder) as out,
        tempfile.TemporaryFile(dir=folder) as err,
        _started(
            ["git", *arguments],
            cwd=folder,
            env={**_environment(folder, wanted), **(environment or {})},
            stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as process,
    ):
        # Files and no pipes: what is printed falls under the limit, too. Gone is gone.
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        try:
            process.communicate(given, timeout=time_limit)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise Unavailable(
                "git.slow",
                f"Git did not end within {time_limit:.0f} s.",
                next_step="Look whether the repository's server answers, then ask again.",
            ) from error
        if process.returncode:
            raise GitFailed(last_words(_read(err, LONGEST_WORDS, from_end=True)))
        return _read(out, largest)


def _started(line: Sequence[str], **keys: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(line, start_new_session=True, **keys)
    except FileNotFoundError as error:
        raise Unavailable(
            "git.missing",
            "There is no git on this machine.",
            next_step="Install git, or deploy the built-in program.",
        ) from error


def _read(file: IO[bytes], most: int, *, from_end: bool = False) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most) if from_end else 0)
    return file.read(most)


def last_words(err: bytes) -> str:
    """One line that may stand on a page."""
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    said = " ".join(lines[-2:]) or "it said nothing"
    return "".join(c if c.isprintable() else " " for c in said)[:300]


def ssh_command(key: Path, address: str, name: str) -> str:
    """
    For GIT_SSH_COMMAND, which git hands to a shell: the paths are the portal's own, and one that a
    shell would read otherwise is refused. The connection goes to `address`, whose key is known by
    `name` (as known_hosts has it).
    """
    known = Path(settings.ORCHESTRA_HOME) / "ssh" / "known_hosts"
    for path in (key, known):
        if not PLAIN_PATH.fullmatch(str(path)):
            raise Invalid(
                "git.home",
                f"{path.parent} has characters that ssh cannot be given safely.",
                next_step="Move ORCHESTRA_HOME to a folder of letters, digits and -_. only.",
            )
    return " ".join(
        [
            *SSH,
            f"-oUserKnownHostsFile={known}",
            "-i",
            str(key),
            f"-oHostName={address}",
            f"-oHostKeyAlias='{name}'",
        ]
    )


def _environment(folder: Path, configuration: Mapping[str, str]) -> dict[str, str]:
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "https:ssh",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": "/bin/false",
        "GIT_CONFIG_COUNT": str(len(configuration)),
    }
    for number, (name, value) in enumerate(configuration.items()):
        found[f"GIT_CONFIG_KEY_{number}"] = name
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything it started: ssh and git's own helpers are in its session."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
