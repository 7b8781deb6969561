"""What deployments look at in a validation: engine, provider, state backend."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.deployments.engine import HostGone, HostRequest, call_host, engine_roots, likely_engine
from apps.environments.validation import (
    Installation,
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    setup_check,
    unknown,
    warning,
)

INSPECT_SECONDS = 30.0
# A run proves these by itself; its validation leaves them out.
PROVEN_BY_A_RUN = ("engine", "backend", "program")


@environment_check(
    "engine", order=60, why="Engine and provider make every plan; without them nothing moves."
)
def engine(subject: Subject) -> Iterator[Item]:
    try:
        with tempfile.TemporaryDirectory(prefix="orchestra-validation-") as folder:
            hello, result = call_host(_inspection(subject, Path(folder)), limit=INSPECT_SECONDS)
    except (HostGone, OSError) as error:
        yield failed(
            "engine.host",
            "Engine",
            f"The engine host gave no answer: {error}",
            "Read its error in web.log, and run `manage.py validate_environment` on the host.",
        )
        return
    yield _engine(subject, hello.get("engine") or {})
    provider = hello.get("provider") or {}
    if provider.get("version"):
        words = f"{provider.get('name')} {provider['version']} is in place."
        yield passed("provider.usable", "Provider", words)
    else:
        yield failed(
            "provider.missing",
            "Provider",
            "The provider did not say its version.",
            "Install the portal's packages again: make install.",
        )
    yield _stack(result)


def _inspection(subject: Subject, folder: Path) -> HostRequest:
    """Reads the stack's state and changes nothing: no lock, no file outside the folder."""
    stack = subject.environment.stack
    return HostRequest(
        run="validation",
        operation="inspect",
        project=stack.project,
        stack=subject.environment.slug,
        work_dir=folder,
        backend_url=backend_of(subject),
        engine_roots=engine_roots(Path(settings.ORCHESTRA_HOME), settings.PULUMI_ROOT),
        passphrase_file=settings.PULUMI_PASSPHRASE_FILE,
        encryption_salt=stack.encryption_salt or None,
        time_limit=INSPECT_SECONDS,
    )


def backend_of(subject: Subject) -> str:
    return subject.environment.stack.backend_url or str(settings.PULUMI_BACKEND_URL)


def _engine(subject: Subject, found: dict[str, Any]) -> Item:
    name = found.get("name")
    if not name:
        return failed(
            "engine.not_found",
            "Engine",
            "No engine answers: neither PULUMI_ROOT, PATH nor the portal's own.",
            "Install the Pulumi CLI, or run `make run`, which sets one up.",
        )
    words = f"{name} {found.get('version')} answers."
    embedded = name == "embedded" and subject.environment.is_production
    if embedded and not settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION:
        return failed(
            "engine.not_for_production",
            "Engine",
            f"Only the embedded engine is here, and {subject.environment.slug} is of tier"
            " production.",
            "Install the Pulumi CLI, or set PORTAL_ALLOW_EMBEDDED_ENGINE=true.",
        )
    return passed("engine.usable", "Engine", words)


def _stack(result: dict[str, Any]) -> Item:
    """What the state says: readable, and nothing left half-done."""
    if result.get("outcome") != "succeeded":
        return failed(
            str(result.get("code") or "state.unreadable"),
            "State",
            str(result.get("reason") or "The state could not be read."),
            str(result.get("next_step") or "Mend what is named, and validate again."),
        )
    pending, locks = result.get("pending_operations") or [], result.get("locks") or []
    if pending:
        return failed(
            "state.pending_operations",
            "State",
            f"The state lists {len(pending)} operation(s) that nobody finished.",
            "Recover the deployment that was lost.",
        )
    if locks:
        return warning(
            "engine.locked",
            "State",
            f"The stack is locked by {locks[0].get('username')}, pid {locks[0].get('pid')}.",
            "Wait for that run; a lock of a dead run goes when it is recovered.",
        )
    return passed("state.readable", "State", "The state was read; nothing is left half-done.")


@environment_check("backend", order=62, why="What cannot be written back is real and in no state.")
def backend(subject: Subject) -> Iterator[Item]:
    url, what = backend_of(subject), "State backend"
    if not url.startswith("file://"):
        yield _remote(url)
        return
    folder = Path(url.removeprefix("file://"))
    above = next(found for found in (folder, *folder.parents) if found.exists())
    try:
        if above == folder:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".validation-"):
                pass
        elif not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        yield failed(
            "backend.not_writable",
            what,
            f"{folder} cannot be written: {error.strerror}.",
            "Free space there, or make it writable for the portal's user.",
        )
        return
    yield passed("backend.writable", what, f"{folder} can be written.")


# What a run's engine must be given so that it may write there.
REMOTE = {
    "s3": "Give the portal's processes AWS credentials that may write this bucket",
    "gs": "Give the portal's processes GOOGLE_APPLICATION_CREDENTIALS that may write this bucket",
    "azblob": "Give the portal's processes AZURE_STORAGE_ACCOUNT and a key for this container",
    "postgres": "Give the role in the address the right to make tables in that database",
}


def _remote(url: str) -> Item:
    """Named and never written to: only a run holds the lease under which one may."""
    scheme, _, rest = url.partition("://")
    # The part in front of the @ is a credential.
    where, what = rest.rpartition("@")[2].partition("?")[0].rstrip("/"), "State backend"
    if scheme not in REMOTE:
        return failed(
            "backend.unsupported",
            what,
            f"The engine keeps no state at {scheme}://.",
            f"Set PULUMI_BACKEND_URL to file:// or {', '.join(f'{name}://' for name in REMOTE)}.",
        )
    if not where:
        text = f"The address {scheme}:// names no place."
        return failed("backend.malformed", what, text, "Name the bucket, container or database.")
    return unknown(
        "backend.remote",
        what,
        f"Whether {scheme}://{where} can be written is not known before a run has done it; whether"
        " it can be read, the line above says.",
        f"{REMOTE[scheme]}, and begin with a preview.",
    )


@setup_check("engine", order=35, why="Without an engine nothing is planned.")
def engine_of_the_portal(portal: Installation) -> Iterator[Item]:
    name = likely_engine(engine_roots(portal.home, settings.PULUMI_ROOT))
    if name:
        yield passed("engine.found", "Engine", f"A run finds the engine {name}.")
    else:
        step = "Install the Pulumi CLI, or run `make run`, which sets one up."
        yield failed("engine.not_found", "Engine", "No engine is here.", step)


@setup_check(
    "state",
    order=56,
    production=True,
    why="With the disk of one host goes the state, and with it what the real things are called.",
)
def shared_backend(_portal: Installation) -> Iterator[Item]:
    if str(settings.PULUMI_BACKEND_URL).startswith("file:"):
        yield warning(
            "backend.local",
            "State backend",
            "The state lies on the disk of this host.",
            "Set PULUMI_BACKEND_URL to s3://, azblob://, gs:// or postgres://, or back it up.",
        )
    else:
        yield passed("backend.shared", "State backend", "The state lies apart from this host.")
