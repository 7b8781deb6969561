"""One run from its request to its result line."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.automation.errors import CommandError

from infra.engine_host import programs
from infra.engine_host.adopting import CREATING, AdoptionError, write_adopted
from infra.engine_host.backend import (
    FileBackend,
    StateDamagedError,
    deployment_of,
    export_document,
    file_backend,
    pending_operations,
    prepare_folder,
    real_resources,
    stack_outputs,
)
from infra.engine_host.command import CanceledBeforeStartError, HostCommand
from infra.engine_host.control import Stopper
from infra.engine_host.digests import plan_digest, state_digest
from infra.engine_host.journal import Journal
from infra.engine_host.operations import Operation
from infra.engine_host.protocol import MUTATING, Lines, Request
from infra.engine_host.quiet_sdk import quieten_sdk
from infra.engine_host.verdict import SUCCEEDED, Verdict, judge_failure
from infra.engine_host.workspace import make_stack, write_files
from infra.engine_host.workspace_files import write_project_file
from infra.orchestra_provider.server import ProviderServer

# A refresh settles pending operations, so it may run while there are some.
BLOCKED_BY_PENDING = (*MUTATING, "preview")
WRITES_STATE = ("update", "refresh", "destroy", "import", "restore")


class Host:
    """Holds what a run learns on its way, and writes its result."""

    def __init__(
        self, request: Request, command: HostCommand, lines: Lines, stopper: Stopper
    ) -> None:
        self.request = request
        self.command = command
        self.stopper = stopper
        self.journal = Journal(lines)
        self.backend: FileBackend | None = file_backend(
            request.backend_url, request.project, request.stack
        )
        self.before: dict[str, Any] | None = None
        self.after: dict[str, Any] | None = None
        self.seconds = 0.0

    def operate(self) -> Verdict:
        """Runs an engine operation. Raises what errors.py turns into verdicts."""
        request = self.request
        folder = programs.program_folder(request.program)
        prepare_folder(request.backend_url)
        self.before = self.read_state()
        write_files(request, folder, self.before)
        make_stack(request, self.command, self.backend)
        self.before = self.after = self.read_state()
        if verdict := self._refuse_pending() or self._adopt():
            return verdict
        quieten_sdk()
        program = programs.load_program(request.program)
        operation = Operation(request, self.command, self.journal, program)
        verdict = self._timed(operation)
        if request.operation in WRITES_STATE:
            self.after = self.read_state()
        return self._doubt(verdict)

    def read_state(self) -> dict[str, Any] | None:
        """From the backend's file, or through the engine. None: there is no such stack yet."""
        if self.backend and not self.backend.has_journal():
            return self.backend.read()
        write_project_file(self.request, programs.INFRA)
        try:
            done = self.command.run(
                ["stack", "export", "--stack", self.request.stack], str(self.request.work_dir), {}
            )
        except CommandError:
            if self.command.exit_code == 6:  # no such stack
                return None
            raise
        try:
            return export_document(json.loads(done.stdout))
        except ValueError as error:
            raise StateDamagedError("The engine's export is not JSON.") from error

    def plan_digest(self) -> str | None:
        path = self.request.plan
        if not path or not Path(path).is_file():
            return None
        return plan_digest(json.loads(Path(path).read_bytes()))

    def _refuse_pending(self) -> Verdict | None:
        waiting = pending_operations(self.before)
        exempt = self.request.operation == "refresh"
        if not waiting or exempt or self.request.operation not in BLOCKED_BY_PENDING:
            return None
        names = ", ".join(f"{w['operation']} {w['urn'].rpartition('::')[2]}" for w in waiting[:3])
        return Verdict(
            "refused",
            "state.pending_operations",
            f"The state lists {len(waiting)} operation(s) that nobody finished: {names}.",
        )

    def _adopt(self) -> Verdict | None:
        """Before a refresh: what pending creates left behind is recorded under its ids."""
        if not self.request.adopt or self.request.operation != "refresh":
            return None
        try:
            write_adopted(self.request, self.command, self.before)
        except AdoptionError as error:
            return Verdict("refused", error.code, str(error))
        except CommandError as error:
            return judge_failure(self.journal, self.command.exit_code, str(error))
        return None

    def _timed(self, operation: Operation) -> Verdict:
        started = time.monotonic()
        try:
            with ProviderServer() as provider:
                self.command.attach_provider(provider.port)
                operation.carry_out()
        except CanceledBeforeStartError:
            return Verdict("canceled", "run.canceled", "Canceled before the engine was started.")
        except CommandError as error:
            return self._judge(str(error))
        finally:
            self.seconds = time.monotonic() - started
            self.stopper.finish()
        return SUCCEEDED

    def _judge(self, output: str) -> Verdict:
        reason = self.stopper.reason
        if reason == "time_limit":
            limit = f"{self.request.time_limit:g} s"
            return Verdict("canceled", "run.time_limit", f"Stopped at the time limit of {limit}.")
        if reason:
            said = "Canceled" if reason == "canceled" else "Stopped: its run process was gone"
            return Verdict("canceled", "run.canceled", f"{said} while the engine was at work.")
        return judge_failure(self.journal, self.command.exit_code, output)

    def _unfinished(self) -> list[dict[str, str]]:
        """
        What the state lists still and should not: a refresh that was not told to clear them leaves
        the creates that nobody finished to people.
        """
        waiting = pending_operations(self.after)
        if self.request.operation == "refresh" and not self.request.clear_pending_creates:
            return [entry for entry in waiting if entry["operation"] != CREATING]
        return waiting

    def _doubt(self, verdict: Verdict) -> Verdict:
        """The engine's word against the state: a destroy that was interrupted exits with 0."""
        if verdict is not SUCCEEDED:
            return verdict
        if self._unfinished() and self.request.operation in MUTATING:
            return Verdict("failed", "run.incomplete", "The state still lists pending operations.")
        left = real_resources(self.after)
        if self.request.operation != "destroy" or self.request.targets or not left:
            return verdict
        names = ", ".join(str(r["urn"]).rpartition("::")[2] for r in left[:3])
        outcome = "canceled" if self.stopper.reason else "failed"
        reason = f"The engine reported success, but {len(left)} resource(s) are left: {names}."
        return Verdict(outcome, "run.incomplete", reason)


def result_keys(host: Host, verdict: Verdict, salt: str | None) -> Mapping[str, Any]:
    """The result line of an engine operation, without type and time."""
    wrote = host.request.operation in (*WRITES_STATE, "inspect")
    return {
        "outcome": verdict.outcome,
        "code": verdict.code,
        "reason": verdict.reason,
        "next_step": verdict.next_step,
        "exit_code": host.command.exit_code,
        "changes": host.journal.changes,
        "outputs": stack_outputs(host.after),
        "state": host.after if wrote else None,
        "state_digest_before": state_digest(deployment_of(host.before)),
        "state_digest_after": state_digest(deployment_of(host.after)),
        "plan_digest": host.plan_digest(),
        "pending_operations": pending_operations(host.after),
        "locks": host.backend.locks() if host.backend else [],
        "encryption_salt": salt,
        "duration": round(host.seconds, 3),
    }
