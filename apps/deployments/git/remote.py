"""A repository elsewhere: how it is reached, and which commit a ref of it names."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.addresses import AddressRefused
from apps.core.errors import Refused, Unavailable
from apps.core.safe_http import allowed_addresses
from apps.core.sealing import unseal
from apps.deployments.git.command import GitFailed, run_git, ssh_command
from apps.environments.models import ProgramSource
from apps.environments.secrets import secret_identity
from apps.environments.sources import COMMIT
from apps.monitoring.runner.preparing import rules_in

# Seconds; somebody waits for the page.
ASKING = 15.0
PORTS = {"https": 443, "ssh": 22}


@dataclasses.dataclass(frozen=True)
class Remote:
    """An address with what opens it. `credential` is a token or a private key."""

    url: str
    credential: str = dataclasses.field(repr=False)
    environment: int

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or PORTS[self.scheme]


def remote_of(source: ProgramSource) -> Remote:
    """Raises Refused (`source.credential`) when the secret it names is gone."""
    if not source.credential:
        return Remote(source.url, "", source.environment_id)
    rows = source.environment.secrets.filter(key=source.credential).order_by("-version")
    row = rows.first()
    if row is None:
        raise Refused(
            "source.credential",
            f"The secret {source.credential}, which opens {source.url}, is gone.",
            next_step="Set it again, or name another in the program source.",
        )
    slug = source.environment.slug
    opened = unseal(row.sealed, secret_identity(slug, row.key, row.version))
    return Remote(source.url, opened, source.environment_id)


def resolve(remote: Remote, ref: str) -> tuple[str, str]:
    """
    The commit's 40 digits and the branch it was found by (empty for a tag or a commit). Raises
    Refused (`source.ref`, `source.unreachable`), Unavailable.
    """
    if COMMIT.fullmatch(ref):
        return ref, ""
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    with tempfile.TemporaryDirectory(prefix="git-") as folder:
        answer = ask(remote, ["ls-remote", "--", remote.url, *names], Path(folder), ASKING)
    found = {}
    for line in answer.decode(errors="replace").splitlines():
        commit, _, name = line.partition("\t")
        if COMMIT.fullmatch(commit):
            found[name] = commit
    branch, tag, peeled = (found.get(name, "") for name in names)
    if branch and tag:
        raise Refused(
            "source.ref",
            f"{ref} names a branch and a tag of {remote.url}.",
            next_step="Rename one of them, or name the commit in the program source.",
        )
    if not (branch or tag):
        raise Refused(
            "source.ref",
            f"{remote.url} has no branch and no tag {ref}.",
            next_step="Correct the ref in the program source of the environment.",
        )
    return branch or peeled or tag, ref if branch else ""


def ask(remote: Remote, arguments: list[str], folder: Path, time_limit: float) -> bytes:
    """Git with the remote's credential, to an address that the environment may reach."""
    address = _checked_address(remote)
    with _key_file(remote, address, folder) as environment:
        try:
            return run_git(
                arguments,
                folder=folder,
                configuration=_configuration(remote, address),
                environment=environment,
                time_limit=time_limit,
            )
        except GitFailed as error:
            words = str(error).replace(remote.credential or "\0", "[secret]")
            raise Refused(
                "source.unreachable",
                f"{remote.url} could not be read: {words}",
                next_step="Look at the address, the ref and the credential of the program source.",
            ) from error


def _configuration(remote: Remote, address: str) -> dict[str, str]:
    if remote.scheme != "https":
        return {}
    # The connection goes to the address that was looked at.
    shown = f"[{address}]" if ":" in address else address
    found = {"http.curloptResolve": f"{remote.host}:{remote.port}:{shown}"}
    if settings.GIT_CA_FILE:
        found["http.sslCAInfo"] = settings.GIT_CA_FILE
    if remote.credential:
        # For this server only, and there are no redirects.
        pair = base64.b64encode(f"x-access-token:{remote.credential}".encode()).decode()
        found[f"http.https://{urlsplit(remote.url).netloc}/.extraHeader"] = (
            f"Authorization: Basic {pair}"
        )
    return found


def _checked_address(remote: Remote) -> str:
    """An address of the host, all of them allowed by the environment's ranges."""
    rules = rules_in(remote.environment)
    try:
        return asyncio.run(allowed_addresses(remote.host, remote.port, rules))[0]
    except AddressRefused as error:
        raise Refused(
            "source.address",
            f"{remote.url} is not reached: {error}",
            next_step="Allow its network among the ranges of the environment.",
        ) from error
    except socket.gaierror as error:
        raise Unavailable(
            "source.unknown_host",
            f"The name {remote.host} does not resolve.",
            next_step="Correct the address of the program source, or ask again later.",
        ) from error


@contextlib.contextmanager
def _key_file(remote: Remote, address: str, folder: Path) -> Iterator[dict[str, str]]:
    if remote.scheme != "ssh":
        yield {}
        return
    key = folder / "key"
    name = remote.host if remote.port == PORTS["ssh"] else f"[{remote.host}]:{remote.port}"
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(remote.credential.rstrip("\n") + "\n")
        yield {"GIT_SSH_COMMAND": ssh_command(key, address, name)}
    finally:
        key.unlink(missing_ok=True)
