"""
preview, up, refresh and destroy: what is read before a run, and what is written after it.

A run is refused here, before anything changes, when it asks for what this engine does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import platform
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.embedded_engine import config, state, values
from infra.embedded_engine.backend import StackRef
from infra.embedded_engine.cli import Arguments
from infra.embedded_engine.errors import VERSION, EngineError, RefusedError
from infra.embedded_engine.journal import Journal, read_folded, read_latest
from infra.embedded_engine.secrets import Secrets, read_passphrase
from infra.embedded_engine.workspace import StackSettings, Workspace

if TYPE_CHECKING:
    from infra.embedded_engine.course import Course
    from infra.embedded_engine.plan import Plan

NOUNS = {"preview": "preview", "up": "update", "refresh": "refresh", "destroy": "destroy"}
NO_CHANGE = {"same", "read", "read-replacement", "discard"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Task:
    """One operation on one stack, with everything that it starts from."""

    kind: str  # preview, up, refresh or destroy
    preview: bool  # nothing may really happen
    args: Arguments
    workspace: Workspace
    ref: StackRef
    secrets: Secrets
    configured: dict[str, Any]  # as in the stack file
    snapshot: state.Snapshot = field(default_factory=state.Snapshot)
    texts: dict[str, str] = field(default_factory=dict)  # configuration, full key → text
    secret_keys: list[str] = field(default_factory=list)
    secret_texts: list[str] = field(default_factory=list)  # also those inside of larger values
    plan: Plan = field(init=False)

    @property
    def parallel(self) -> int:
        return self.args.number("parallel") or 4 * (os.cpu_count() or 1)

    @property
    def runs_program(self) -> bool:
        return self.kind in ("preview", "up") or self.args.flag("run-program")

    @property
    def values(self) -> dict[str, Any]:
        """The configuration with secret values marked."""
        keys = self.secret_keys
        return {k: values.Secret(v) if k in keys else v for k, v in self.texts.items()}

    def open_config(self) -> None:
        """Makes the texts that the program receives."""

        def opened(ciphertext: str) -> str:
            self.secret_texts.append(self.secrets.decrypt(ciphertext, "config"))
            return self.secret_texts[-1]

        self.texts = {key: config.to_text(value, opened) for key, value in self.configured.items()}
        self.secret_keys = [k for k, value in self.configured.items() if config.is_secret(value)]


@dataclass
class Outcome:
    ok: bool
    changes: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    status: int = 0  # exit status; 0 when that follows from `ok`
    noted: bool = True  # whether it belongs into the history


def run(args: Arguments, *, rehearsal: bool = False) -> int:
    """Carries out an operation, or its preview: exit status; EngineError before it has begun."""
    kind = "preview" if rehearsal and args.command == "up" else args.command
    workspace = Workspace(config_file=args.value("config-file"))
    ref = workspace.existing(args.value("stack"))
    settings = workspace.settings(ref)
    _refuse(args, workspace, settings)
    secrets = workspace.secrets(settings, state.salt_of(read_latest(workspace.backend, ref)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the run listens itself
    with ThreadPoolExecutor(1) as aside:
        verified = aside.submit(secrets.verify)  # deriving the key takes as long as loading gRPC
        from infra.embedded_engine import course, plan  # noqa: PLC0415 - see above
    verified.result()
    preview = rehearsal or kind == "preview" or args.flag("preview-only")
    task = Task(kind, preview, args, workspace, ref, secrets, settings.config)
    task.open_config()
    task.plan = plan.opened(args.value("plan"), secrets)
    lock = contextlib.nullcontext() if preview else workspace.backend.locked(ref)
    try:
        with lock:
            if not preview:
                Journal(workspace.backend, ref).recover()
            return _run_locked(task, course.Course)
    except KeyboardInterrupt as error:
        raise EngineError(f"{NOUNS[kind]} canceled before it began") from error


def _refuse(args: Arguments, workspace: Workspace, settings: StackSettings) -> None:
    """RefusedError for what the flags or the workspace ask for and this engine does not have."""
    raw = workspace.project.raw
    needs = args.command in ("preview", "up") or args.flag("run-program")
    program = f"local programs (runtime {workspace.project.runtime} without --client)"
    for wanted, what in (
        (
            args.flag("run-program") and args.command != "refresh",
            f"--run-program of {args.command}",
        ),
        (args.flag("continue-on-error"), "--continue-on-error"),
        (needs and not args.value("client"), program),
        (settings.document.get("environment"), "environments"),
        (raw.get("config") or raw.get("plugins"), "configuration and plugins in Pulumi.yaml"),
        ("pulumi:autonaming" in settings.config, "autonaming configuration"),
    ):
        if wanted:
            raise RefusedError(what)


def _run_locked(task: Task, kind: type[Course]) -> int:
    document = read_folded(task.workspace.backend, task.ref)
    task.snapshot = state.decode_checkpoint(document, task.ref.name)
    state.verify(task.snapshot)
    _open(task)
    started = int(time.time())
    course = kind(task)
    try:
        outcome = asyncio.run(course.run())
    except SystemExit as error:  # the second signal
        course.abandon()
        outcome = Outcome(ok=False, status=int(error.code or 1))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the run is over, its record is still to be written
    if outcome.ok and (path := task.args.value("save-plan")):
        task.plan.save(path, task.configured, task.secrets)
    if outcome.noted and not task.preview:
        _note(task, started, outcome)
    if outcome.ok and task.args.flag("expect-no-changes") and outcome.changes.keys() - NO_CHANGE:
        noun = NOUNS[task.kind]
        raise EngineError(f"no changes were expected for {noun} but changes were proposed", 7)
    return outcome.status or (0 if outcome.ok else 1)


def _open(task: Task) -> None:
    """Turns what the state holds into values."""
    salt = task.snapshot.salt
    if salt and salt != task.secrets.salt:
        # the state keeps its salt while both open with one passphrase
        task.secrets = Secrets(salt, read_passphrase(task.workspace.environ))
        task.secrets.verify()
    task.snapshot.salt = task.secrets.salt
    for entry in (*task.snapshot.resources, *(o.resource for o in task.snapshot.pending)):
        unseal = functools.partial(task.secrets.decrypt, context=entry.urn)
        for name in state.CODED:
            try:
                setattr(entry, name, values.from_json(getattr(entry, name), unseal))
            except (TypeError, KeyError, AttributeError, ValueError) as error:
                text = f"{state.INTEGRITY_PREFIX}`{name}` of {entry.urn} cannot be read ({error})"
                raise EngineError(text) from error


def _note(task: Task, started: int, outcome: Outcome) -> None:
    """Writes the entry of the history."""
    environment = {
        "exec.kind": task.args.value("exec-kind") or "cli",
        "pulumi.version": VERSION,
        "pulumi.os": platform.system().lower(),
        "pulumi.arch": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "updatePlan": "true" if task.args.value("plan") else "false",
        **outcome.environment,
    }
    entry = {
        "kind": NOUNS[task.kind],
        "startTime": started,
        "message": task.args.value("message"),
        "environment": environment,
        "config": task.configured,
        "version": 0,
        "result": "succeeded" if outcome.ok else "failed",
        "endTime": int(time.time()),
    }
    entry |= {"resourceChanges": outcome.changes} if outcome.changes else {}
    try:
        task.workspace.backend.add_history(task.ref, entry)
    except OSError as error:
        sys.stderr.write(f"warning: the history could not be written: {error}\n")
