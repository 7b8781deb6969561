"""
The course of one run: servers up, program or deletions or reads, servers down, last event.

Everything here happens in one event loop; there are no threads and no locks. A run ends in one of
three ways: it went through, a step or a registration failed, or somebody canceled it.
"""

import asyncio
import os
import signal
import time
from collections.abc import Collection

import grpc
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from infra.embedded_engine import config, deletes, events, generator, goals, providers
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.executor import Executor, Step
from infra.embedded_engine.monitor import EngineService, Language, Monitor
from infra.embedded_engine.operations import NOUNS, Outcome, Task
from infra.embedded_engine.recorder import Recorder

HEADS = {"up": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}
GONE = (
    "The resources in the stack have been deleted, but the history and configuration associated "
    "with the stack are still maintained.\nIf you want to remove the stack completely, run "
    "`pulumi stack rm {}`."
)
NOTHING_UNPROTECTED = (
    "There were no unprotected resources to destroy. There are still {} protected resources "
    "associated with this stack."
)
PENDING = (
    "Attempting to deploy or update resources with {} pending operations from previous deployment."
    "\n{}\nThese resources are in an unknown state: the engine was interrupted while it waited for "
    "them. Look at the provider's side whether each operation was completed. `pulumi refresh` then "
    "brings the state in line; for interrupted creates use its flag --clear-pending-creates, or "
    "import what exists."
)
PROGRAM_SECONDS = 2  # how long a program that was told to end is waited for


class Course:
    """One run. `run` is called once, `abandon` after the second signal."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._started = time.monotonic()
        self._environment: dict[str, str] = {}
        self._events = events.Events(task, self._interrupt)
        self._recorder = Recorder(task)

    def _build(self) -> None:
        """Who decides, who carries out, who listens to the program."""
        task, olds = self._task, self._task.snapshot.resources
        self._server = grpc.aio.server(options=providers.CHANNEL)
        self._address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._plugins = providers.Plugins(task.workspace, self._address, self._events.log)
        registry = providers.Registry(self._plugins, olds, task.values)
        self._executor = Executor(registry, self._recorder, self._events, task.parallel)
        self._executor.counts_refreshes = task.kind == "refresh"
        self._generator = generator.Generator(
            goals.Identities(task.ref.name, task.workspace.project.name, olds),
            registry,
            self._executor,
            task.plan,
            task.args.all("replace"),
            only=task.kind == "refresh",
        )
        self._monitor = Monitor(task, self._generator)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self._monitor, self._server)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(self._executor), self._server)

    async def run(self) -> Outcome:
        """From the first event to the last one; the state is on disk before that."""
        task, entries = self._task, self._task.snapshot.resources
        spared = deletes.spared_by_protection(entries)
        if task.args.flag("exclude-protected") and len(spared) == len(entries):
            self._events.say(NOTHING_UNPROTECTED.format(sum(bool(r.protect) for r in entries)))
            return Outcome(ok=True, noted=False)
        noun = NOUNS["up" if task.kind == "preview" else task.kind]
        head = f"Previewing {noun}" if task.preview else HEADS[task.kind]
        self._build()
        self._events.say(f"{head} ({task.ref.name}):")
        await self._server.start()
        watch = asyncio.create_task(self._watch_parent())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt)
        try:
            await self._operate()
            return await self._close()
        except asyncio.CancelledError:  # the second signal ends the loop
            await self._server.stop(None)
            raise
        except Exception:  # a full disk, above all: the state is as it was last written
            self._plugins.kill()
            await self._server.stop(None)
            await self._events.close()
            raise
        finally:
            watch.cancel()

    async def _close(self) -> Outcome:
        task, executor = self._task, self._executor
        noun = "preview" if task.preview else "update"
        if executor.failed or executor.canceled:
            self._events.log("error", f"{noun} {'failed' if executor.failed else 'canceled'}")
        self._recorder.flush()
        if executor.ok and task.kind == "destroy" and not task.preview:
            self._events.say(GONE.format(task.ref.name))
        changes = dict(executor.changes)
        seconds = time.monotonic() - self._started
        await asyncio.gather(
            self._events.summary(seconds, changes, ok=executor.ok, corrupt=executor.corrupt),
            self._plugins.stop(),
            self._server.stop(0.5),
        )
        return Outcome(executor.ok, changes, self._environment, 2 if executor.refused else 0)

    def _interrupt(self) -> None:
        """The first time: nothing new begins. The second time: the end, at once."""
        if not hasattr(self, "_executor"):
            return  # nothing has begun
        if self._executor.canceled:
            raise SystemExit(8)
        self._executor.canceled = True
        self._executor.stopping.set()
        self._cancel = asyncio.create_task(self._plugins.cancel())
        self._events.say("canceling; interrupt again to end at once")

    async def _watch_parent(self) -> None:
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(0.5)
        self._interrupt()

    def abandon(self) -> None:
        """After the second signal: what is known goes to disk, pending operations included."""
        self._recorder.flush()
        self._plugins.kill()

    async def _operate(self) -> None:
        task, executor = self._task, self._executor
        client = task.args.value("client")
        language = Language(client, task) if client else None
        if language is not None:
            self._environment = await language.about() if task.runs_program else {}
        self._events.prelude({k: config.masked(v) for k, v in task.configured.items()})
        self._warn_of_pending()
        if task.args.flag("clear-pending-creates"):
            self._recorder.pending.clear()
        self._look_for_targets()
        alone = task.kind == "refresh" and not task.runs_program
        if alone or (task.args.flag("refresh") and task.kind != "refresh"):
            await self._refresh(tidy=True)
        if executor.ok and not alone:
            if task.runs_program and language is not None:
                await self._run_program(language)
            else:
                await self._delete()
        await executor.drain()
        if language is not None:
            await language.close()

    def _warn_of_pending(self) -> None:
        pending = self._task.snapshot.pending
        if pending and self._task.kind not in ("preview", "refresh"):
            lines = [f"  * {o.resource.urn}, interrupted while {o.type}" for o in pending]
            self._events.log("warning", PENDING.format(len(pending), "\n".join(lines)))

    def _look_for_targets(self) -> None:
        for urn in self._generator.replace:
            if urn not in self._generator.identities.olds:
                hint = "" if "$" in urn else " Did you forget to escape $ in your shell?"
                self._executor.reject(f"Target '{urn}' could not be found in the stack.{hint}")

    async def _run_program(self, language: Language) -> None:
        executor, monitor = self._executor, self._monitor
        run = asyncio.create_task(language.run(self._address))
        waiters = [asyncio.create_task(e.wait()) for e in (monitor.signaled, executor.stopping)]
        await asyncio.wait({run, *waiters}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done() and not executor.stopping.is_set():
            await self._finish()
            monitor.finished.set()
        await asyncio.wait({run}, timeout=None if executor.ok else PROGRAM_SECONDS)
        for waiter in waiters:
            waiter.cancel()
        if not run.done():
            run.cancel()
        elif executor.ok:
            error, bail = run.result()
            if error or bail:
                executor.reject(f"an unhandled error occurred: {error}" if error else "")
            elif not monitor.finished.is_set():
                await self._finish()
        self._apply_outputs()

    async def _finish(self) -> None:
        """After the last registration: what runs ends, then what is left over goes."""
        executor, monitor, plan = self._executor, self._monitor, self._task.plan
        await executor.drain()
        if executor.ok and self._task.kind == "refresh":
            await self._refresh(self._generator.refreshed)
        elif executor.ok:
            await self._delete()
        if executor.ok:
            try:
                if monitor.outputs is not None:
                    plan.outputs(monitor.root, monitor.outputs)
                plan.finish()
            except EngineError as error:
                executor.reject(error)

    def _apply_outputs(self) -> None:
        """The stack's outputs, last of all: a failed run adds to them, but removes none."""
        step = self._generator.shown.get(self._monitor.root)
        outputs = self._monitor.outputs
        if outputs is None or step is None or step.new is None:
            return
        if not self._executor.ok:
            outputs = {**step.new.outputs, **outputs}
        self._recorder.set_outputs(step.new, outputs)
        self._events.after(step)

    async def _delete(self) -> None:
        executor, identities = self._executor, self._generator.identities
        entries = self._recorder.remaining()
        if self._task.args.flag("exclude-protected"):
            spared = deletes.spared_by_protection(entries)
            entries = [r for r in entries if id(r) not in spared]
        steps = deletes.leftover(entries, {*identities.seen, *identities.continued})
        try:
            self._task.plan.steps(steps)
        except EngineError as error:
            executor.reject(error)
            return
        executor.deleted |= {step.urn for step in steps}
        for level in deletes.levels(steps):
            if executor.ok:
                await executor.run(level)

    async def _refresh(self, done: Collection[str] = (), *, tidy: bool = False) -> None:
        """Every other old entry as it really is; the base of what follows is made of that."""
        recorder = self._recorder
        entries = [entry for entry in recorder.remaining() if entry.urn not in done]
        steps = [Step("refresh", entry, entry, gentle=True) for entry in entries]
        await self._executor.run(steps)
        if self._executor.canceled:
            return  # half of a refresh would say of the rest that it was looked at
        for entry, step in zip(entries, steps, strict=True):
            recorder.substitute(entry, step.new)
        gone = {e.urn: e.parent for e, s in zip(entries, steps, strict=True) if s.new is None}
        recorder.rebase(deletes.rebuilt(recorder.alive(), gone, tidy=tidy))
        self._generator.identities.reset(recorder.base)
