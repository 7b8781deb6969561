"""The run process: `manage.py execute_run <id>`, from its claim to its last transaction."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import PortalError
from apps.core.redaction import Redactor
from apps.deployments import leases
from apps.deployments.choices import MUTATING, Operation, RunStatus
from apps.deployments.configuration import Configuration, every_secret
from apps.deployments.engine import HostProcess, HostRequest
from apps.deployments.keeping import configuration_for
from apps.deployments.models import Run
from apps.deployments.persistence import persist
from apps.deployments.plans import PlanReader
from apps.deployments.processes import own_facts
from apps.deployments.runner import guard, restoring
from apps.deployments.runner import outcome as outcomes
from apps.deployments.runner.announcing import announce_run
from apps.deployments.runner.claim import run_folder
from apps.deployments.runner.finishing import finish
from apps.deployments.runner.keeper import Keeper
from apps.deployments.runner.outcome import Outcome
from apps.deployments.runner.plain_logs import redacted_afterwards
from apps.deployments.runner.pump import ClaimLost, Reader, Spool, Writer, pump
from apps.deployments.runner.requests import PLAN_FILE, run_request
from apps.deployments.runner.validating import validate_before

log = structlog.get_logger(__name__)


def execute(run_id: int) -> bool:
    """
    Carries out a claimed run. False when there was nothing to do: not claimed, adopted by another
    process, or over.
    """
    os.umask(0o077)
    run = persist(lambda: adopt(run_id))
    if run is None:
        return False
    with structlog.contextvars.bound_contextvars(run=run.pk):
        execution = Execution(run)
        found = execution.carry_out()
        if found is None:
            log.warning("run.abandoned", reason="the claim is somebody else's")
            return False
        return persist(lambda: finish(run, found, engine_plan=execution.engine_plan()))


def adopt(run_id: int) -> Run | None:
    """Writes this process's facts into the claimed run; None when another process has it."""
    me = own_facts()
    rows = Run.objects.filter(
        pk=run_id, status__in=(RunStatus.STARTING, RunStatus.CANCELING), pid__isnull=True
    )
    adopted = rows.update(
        host=me.host,
        pid=me.pid,
        start_ticks=me.start_ticks,
        boot_id=me.boot_id,
        heartbeat_at=Now(),
        started_at=Now(),
    )
    if not adopted:
        return None
    related = (
        "stack__environment__protection",
        "deployment__environment",
        "deployment__returns_to__kept",
        "deployment__promoted_from",
    )
    return Run.objects.select_related(*related).get(pk=run_id)


class Execution:
    """One run on its way. Holds what is learned until the last transaction."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = run_folder(run.pk)
        self.hello: dict[str, Any] = {}
        self.result: dict[str, Any] | None = None
        self.plan = PlanReader()
        self._host: HostProcess | None = None
        self._refused: Outcome | None = None

    def carry_out(self) -> Outcome | None:
        """How the run ended; None when its claim was lost."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            configuration = configuration_for(self.run)
            # A secret that is brought back may have no row any more.
            brought = [secret.value for secret in configuration.secrets.values() if secret.value]
            redactor = Redactor([*every_secret(self.run.stack.environment), *brought])
            with redacted_afterwards(self.folder, redactor):
                return self._guarded(configuration, redactor)
        except ClaimLost:
            return None
        except PortalError as error:
            return Outcome(RunStatus.FAILED, error.code, error.detail, error.next_step)
        except OSError as error:
            return failed_by_system(error)

    def _guarded(self, configuration: Configuration, redactor: Redactor) -> Outcome | None:
        if self.run.status == RunStatus.CANCELING:
            return outcomes.canceled_before_start(self.run.operation)
        validate_before(self.run)
        if self.run.operation in MUTATING and (
            refused := guard.refuse_if_moved(self.run, configuration, self.folder)
        ):
            return refused
        return self._operate(configuration, redactor)

    def _operate(self, configuration: Configuration, redactor: Redactor) -> Outcome | None:
        request = self._request(configuration)
        if not self._move_to_running():
            return outcomes.canceled_before_start(self.run.operation)
        spool = Spool(self.folder / "events.ndjson")
        host = self._host = HostProcess(request)
        self._note_host(host)
        keeper = Keeper(self.run, host, time_limit=request.time_limit, grace=float(request.grace))
        try:
            reader = Reader(host.lines(), redactor, spool)
            pump(reader, Writer(self.run), self._take)
            code = host.wait(float(request.grace) + 10.0)
        finally:
            self._end(host, keeper, spool)
        if keeper.lost:
            return None
        stderr = redactor.text(host.last_words())
        return self._outcome(configuration, redactor, self._judged(keeper, code, stderr))

    def _request(self, configuration: Configuration) -> HostRequest:
        if restoring.is_restore(self.run):
            return restoring.restore_request(self.run, self.folder)
        return run_request(self.run, configuration, self.folder)

    def _end(self, host: HostProcess, keeper: Keeper, spool: Spool) -> None:
        """No process of this run is left behind."""
        if keeper.lost:
            # The host interrupts its engine when our end of the pipe closes; give it the time.
            host.close()
            host.wait(float(settings.RUN_CANCEL_GRACE))
        keeper.finish()
        host.kill()
        host.wait(5.0)
        host.close()
        spool.close()
        restoring.forget(self.folder)

    def _move_to_running(self) -> bool:
        def write() -> bool:
            with transaction.atomic():
                self.run.refresh_from_db(fields=["status"])
                moved = self.run.move(RunStatus.RUNNING, fence=self.run.fence)
                if moved:
                    announce_run(self.run)
                return moved

        return persist(write)

    def _note_host(self, host: HostProcess) -> None:
        persist(
            lambda: leases.living(self.run).update(
                host_pid=host.pid, host_start_ticks=host.start_ticks
            )
        )

    def _take(self, line: dict[str, Any]) -> None:
        """What the run itself must know of each line."""
        kind = line.get("type")
        if kind == "event" and isinstance(line.get("event"), dict):
            self.plan.take(line["event"])
        elif kind == "hello":
            self.hello = line
            self._note_engine(line)
        elif kind == "engine":
            persist(
                lambda: leases.living(self.run).update(
                    engine_pid=line.get("pid"), engine_start_ticks=line.get("start_ticks")
                )
            )
        elif kind == "result":
            self.result = line

    def _note_engine(self, hello: dict[str, Any]) -> None:
        engine, provider = hello.get("engine") or {}, hello.get("provider") or {}
        persist(
            lambda: leases.living(self.run).update(
                engine_name=str(engine.get("name", ""))[:20],
                engine_version=str(engine.get("version", ""))[:40],
                provider_version=str(provider.get("version", ""))[:40],
            )
        )
        if refused := refuse_engine(self.run, str(engine.get("name", ""))):
            self._refused = refused
            assert self._host is not None
            self._host.cancel()

    def _judged(self, keeper: Keeper, code: int | None, stderr: str) -> Outcome:
        mutating = self.run.operation in MUTATING
        if self._refused is not None:
            return self._refused
        if self.result is not None:
            return outcomes.from_result(self.result)
        if keeper.killed:
            return outcomes.killed_by_us(self.run.operation, mutating)
        killed = outcomes.host_killed(self.run.operation, mutating, code, stderr)
        is_full = os.statvfs(self.folder).f_bavail == 0
        return outcomes.on_full_disk(killed) if is_full else killed

    def _outcome(self, configuration: Configuration, redactor: Redactor, found: Outcome) -> Outcome:
        found.hello = self.hello
        found.config_digest = configuration.digest()
        # A plain setting may repeat a secret.
        found.described = redactor.value(configuration.described())
        if restoring.is_restore(self.run) and self.run.operation == Operation.PREVIEW:
            found.plan = redactor.value(restoring.plan_of(self.run, found.result))
        elif self.run.operation in (Operation.PREVIEW, Operation.DRIFT):
            found.plan = self.plan.plan()
        return found

    def engine_plan(self) -> dict[str, Any] | None:
        """The plan that the engine saved during a preview that succeeded."""
        if self.run.operation != Operation.PREVIEW or self.result is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((self.folder / PLAN_FILE).read_bytes())
            return document if isinstance(document, dict) else None
        return None


def refuse_engine(run: Run, name: str) -> Outcome | None:
    """Production takes the embedded engine only where a setting says so."""
    environment = run.stack.environment
    if name != "embedded" or not environment.is_production:
        return None
    if settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION:
        return None
    return Outcome(
        RunStatus.FAILED,
        "engine.not_for_production",
        f"{environment.slug} is of tier production, and only the embedded engine is here.",
        "Install the Pulumi CLI, or set PORTAL_ALLOW_EMBEDDED_ENGINE=true.",
    )


def failed_by_system(error: OSError) -> Outcome:
    """The run's own folder or process could not be made."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Outcome(
            RunStatus.ERRORED,
            "disk.full",
            f"The run could not begin: no space left for {error.filename or 'its folder'}.",
            "Free space on the disk of ORCHESTRA_HOME, and plan again.",
        )
    return Outcome(
        RunStatus.ERRORED,
        "host.broken",
        f"The run could not begin: {error.strerror or error}.",
        "Mend what is named, and plan again.",
    )
