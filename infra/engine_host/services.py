"""The service operations: they look at a stack or mend it, and run no program."""

import json
from collections.abc import Callable
from pathlib import Path

from pulumi.automation.errors import CommandError

from infra.engine_host import programs
from infra.engine_host.backend import StateDamagedError, deployment_of, export_document
from infra.engine_host.host import Host
from infra.engine_host.keeping import keep_program
from infra.engine_host.verdict import SUCCEEDED, Verdict, judge_failure
from infra.engine_host.workspace import make_stack, write_files


def inspect(host: Host) -> Verdict:
    """
    State, outputs, locks, pending operations and the digest of a kept plan, without taking a lock;
    keeps the program.
    """
    if host.request.keep:
        keep_program(host.request.program, Path(host.request.keep))
    host.before = host.after = host.read_state()
    return SUCCEEDED


def unlock(host: Host) -> Verdict:
    """Removes exactly the locks of the request; a lock that changed meanwhile stays."""
    if host.backend is None:
        reason = "Only locks of a file backend can be removed one by one."
        return Verdict("refused", "engine.unsupported", reason)
    host.read_state()  # writes what `cancel` needs, and fails on a state that cannot be read
    if host.backend.has_journal() and not host.backend.others(host.request.locks):
        # The engine folds the journal into the state before it lets the lock go.
        command = ["cancel", "--yes", "--stack", host.request.stack]
        host.command.run(command, str(host.request.work_dir), {})
        inspect(host)
        return SUCCEEDED
    refused = host.backend.remove_locks(host.request.locks)
    inspect(host)
    if refused:
        names = ", ".join(refused)
        return Verdict("refused", "engine.locked", f"These locks are not as described: {names}.")
    return SUCCEEDED


def restore(host: Host) -> Verdict:
    """
    Writes a kept state back. The engine checks it, takes the lock and drops its pending
    operations.
    """
    path = Path(host.request.state or "")
    try:
        document = export_document(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise StateDamagedError(f"The state to restore cannot be read: {error}") from error
    if not deployment_of(document):
        raise StateDamagedError("The state to restore holds no deployment.")
    host.before = host.read_state()
    write_files(host.request, programs.INFRA, document)
    make_stack(host.request, host.command, host.backend)
    command = ["stack", "import", "--file", str(path), "--stack", host.request.stack]
    try:
        host.command.run(command, str(host.request.work_dir), {})
    except CommandError as error:
        return judge_failure(host.journal, host.command.exit_code, str(error))
    finally:
        host.after = host.read_state()
    return SUCCEEDED


SERVICES: dict[str, Callable[[Host], Verdict]] = {
    "inspect": inspect,
    "unlock": unlock,
    "restore": restore,
}
