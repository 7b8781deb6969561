"""The engine host: reads one request, drives one operation, writes one result. See README.md."""

import dataclasses
import os
import sys
import traceback
from typing import Any, TextIO

from infra.engine_host.control import Stopper
from infra.engine_host.engines import Engine, find_engine
from infra.engine_host.output import Tail
from infra.engine_host.processes import start_ticks
from infra.engine_host.programs import lock_digest, program_digest, provider_digest
from infra.engine_host.protocol import PROTOCOL, Lines, Request, RequestError, parse_request
from infra.engine_host.surroundings import engine_environment, prepare_folders, scrub_own
from infra.engine_host.verdict import SUCCEEDED, Verdict
from infra.orchestra_provider.version import NAME, VERSION


def main() -> None:
    os.umask(0o077)
    scrub_own()
    lines = Lines(_private_stdout())
    try:
        request = parse_request(sys.stdin.readline())
    except RequestError as error:
        lines.write("result", **_early(Verdict("refused", "host.broken", str(error))))
        return
    stopper = Stopper(request.grace)
    stopper.watch_control(sys.stdin)
    prepare_folders(request)
    tail = _program_output(request, lines)
    try:
        keys = _run(request, lines, stopper)
    except Exception as error:  # noqa: BLE001 (the last net: every run ends in a result line)
        traceback.print_exc()
        reason = f"The engine host failed: {type(error).__name__}."
        keys = _early(Verdict("errored", "host.broken", reason), request.encryption_salt)
    stopper.finish()
    sys.stdout.flush()
    tail.finish()
    lines.write("result", **keys)


def _run(request: Request, lines: Lines, stopper: Stopper) -> dict[str, Any]:
    environment = engine_environment(request)
    engine, passed = find_engine(request.engine_roots, environment)
    _hello(request, engine, lines)
    if engine is None:
        reason = "No engine answers. " + "; ".join(passed)
        return _early(Verdict("refused", "engine.not_found", reason), request.encryption_salt)
    if request.operation == "describe":
        return _early(SUCCEEDED, request.encryption_salt)
    # The SDK takes a third of a second to import, which `describe` does not need.
    from infra.engine_host.session import run_session  # noqa: PLC0415

    return run_session(request, engine, environment, lines, stopper)


def _hello(request: Request, engine: Engine | None, lines: Lines) -> None:
    lines.write(
        "hello",
        protocol=PROTOCOL,
        pid=os.getpid(),
        start_ticks=start_ticks(os.getpid()),
        engine=dataclasses.asdict(engine) if engine else None,
        provider={"name": NAME, "version": f"{VERSION}+{provider_digest()[:12]}"},
        program={
            "kind": request.program.kind,
            "digest": program_digest(request.program),
            "lock_digest": lock_digest(request.program),
        },
    )


def _early(verdict: Verdict, salt: str | None = None) -> dict[str, Any]:
    """A result with every key of the contract, of a run that did not get as far as an engine."""
    return {
        **dataclasses.asdict(verdict),
        "exit_code": None,
        "changes": {},
        "outputs": {},
        "state": None,
        "state_digest_before": None,
        "state_digest_after": None,
        "plan_digest": None,
        "pending_operations": [],
        "locks": [],
        "encryption_salt": salt,
        "duration": 0.0,
    }


def _private_stdout() -> TextIO:
    """
    The protocol's stream. Descriptor 1 goes to standard error until the run has a folder, so that
    nothing
    that a program prints gets between the lines.
    """
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    return stream


def _program_output(request: Request, lines: Lines) -> Tail:
    """What an inline program prints goes to a file, and from there into `output` lines."""
    path = request.work_dir / "program.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.close(descriptor)

    def report(text: str) -> None:
        lines.write("output", stream="stdout", text=text)

    return Tail(path, report)


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stderr.flush()
    # A program's threads must not keep a finished run alive.
    os._exit(0)
