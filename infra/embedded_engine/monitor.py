"""
The servers that a program talks to: the resource monitor, and the engine service for messages.

Nothing is decided here: a request becomes a goal, the generator's answer becomes a response. When
the run stops, every call that still waits is answered UNAVAILABLE, so that the program ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from infra.embedded_engine import goals, providers, state, values
from infra.embedded_engine.calls import Failed, Failures
from infra.embedded_engine.errors import EngineError, RefusedError
from infra.embedded_engine.executor import Executor, Stopped
from infra.embedded_engine.generator import Generator
from infra.embedded_engine.operations import Task

SHUT = "resource monitor shut down while waiting on step's done channel"
# What we do of the protocol's optional parts, by number. Transforms and hooks (7, 8, 10) are among
# them so that the refusal is ours, and says what to do.
FEATURES: Any = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 15)
LEFT_OUT = {  # call of the protocol → what the refusal says
    "Call": "provider method calls",
    "RegisterPackage": "parameterized packages",
    "RegisterStackTransform": "transforms",
    "RegisterStackInvokeTransform": "transforms",
    "RegisterResourceHook": "resource hooks",
    "RegisterErrorHook": "error hooks",
}
TERMINATED = "Resource monitor has terminated, shutting down"  # the SDK's echo of SHUT
# With each answer the SDK goes through all that it still waits for: the square of a large program.
# Where more than CROWD registrations wait, those that are ready are answered together.
CROWD, BURST = 4, 0.05  # seconds from one burst to the next
SEVERITIES = ("debug", "info", "warning", "error")

Method = Callable[["Monitor", Any], Awaitable[Any]]


def answered(method: Method) -> Any:
    """The method as gRPC calls it. Its work is not given up when the caller goes away."""

    async def call(monitor: Monitor, request: Any, context: Any) -> Any:
        task = asyncio.ensure_future(method(monitor, request))
        await asyncio.wait({task, monitor.stop}, return_when=asyncio.FIRST_COMPLETED)
        error = task.exception() if task.done() else Stopped()
        if error is None:
            return task.result()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        ended = isinstance(error, Stopped)
        status = grpc.StatusCode.UNAVAILABLE if ended else grpc.StatusCode.UNKNOWN
        text = SHUT if ended else getattr(error, "text", str(error))
        return await context.abort(status, text)

    return call


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def __init__(self, task: Task, generator: Generator) -> None:
        self._task, self._generator, self._executor = task, generator, generator.executor
        self.stop = asyncio.ensure_future(self._executor.stopping.wait())
        self.signaled = asyncio.Event()  # the program registers nothing more
        self.finished = asyncio.Event()  # all steps and deletes have ended
        self._open = 0  # registrations that wait for an answer
        self.root = ""  # URN of the stack
        self.outputs: dict[str, Any] | None = None  # the stack's, applied at the end of the run

    def _goal(self, request: Any) -> goals.Goal:
        """The goal of a request; the run ends when it asks for something that is left out."""
        try:
            return goals.from_request(request, str(self._task.workspace.project.folder))
        except (EngineError, ValueError) as error:
            self._executor.reject(error, request.parent)
            raise Stopped from error

    @answered
    async def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self._open += 1
        try:
            made = await self._generator.register(self._goal(request))
            if self._open > CROWD:
                await asyncio.sleep(BURST - asyncio.get_running_loop().time() % BURST)
        finally:
            self._open -= 1
        if made.type == state.ROOT_TYPE:
            self.root = made.urn
        return resource_pb2.RegisterResourceResponse(
            urn=made.urn,
            id=made.id,
            object=_outputs(request, made) if made.custom else None,
            unknown=made.urn in self._generator.skipped,
        )

    async def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Gives a component its outputs; those of the stack wait for the end of the run."""
        urn, step = request.urn, self._generator.shown.get(request.urn)
        if step is None:
            text = f"cannot complete a resource '{urn}' whose registration isn't pending"
            await context.abort(grpc.StatusCode.UNKNOWN, text)
            raise Stopped
        try:
            outputs = values.from_struct(request.outputs)
            if urn == self.root:
                self.outputs = outputs
            else:
                del self._generator.shown[urn]
                self._generator.plan.outputs(urn, outputs)
                self._executor.recorder.set_outputs(step.resource, outputs)
                self._executor.events.after(step)
        except EngineError as error:
            self._executor.reject(error, urn)
            await context.abort(grpc.StatusCode.UNAVAILABLE, SHUT)
        return empty_pb2.Empty()

    @answered
    async def ReadResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        goal = self._goal(request)
        goal.state.id = "" if request.id in values.UNKNOWN_TEXTS else request.id
        made = await self._generator.register(goal)
        outputs = _outputs(request, made)
        return resource_pb2.ReadResourceResponse(urn=made.urn, id=made.id, properties=outputs)

    @answered
    async def SignalAndWaitForShutdown(self, _request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.signaled.set()
        await self.finished.wait()
        return empty_pb2.Empty()

    @answered
    async def Invoke(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        if request.packageRef:
            self._executor.reject(RefusedError("parameterized packages"))
        if any(self._undecided(urn) for urn in request.dependsOn):
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        try:
            answer, failures = await self._invoke(request)
        except Failed as error:
            text = f"invocation of {request.tok} returned an error: {error.text}"
            raise EngineError(text) from error
        found = [provider_pb2.CheckFailure(property=p, reason=r) for p, r in failures]
        response = resource_pb2.ResourceInvokeResponse(failures=found)
        if not failures:
            accepts = values.Accepts(references=request.acceptResources)
            getattr(response, "return").CopyFrom(values.to_struct(answer, accepts))
        return response

    async def _invoke(self, request: Any) -> tuple[dict[str, Any], Failures]:
        generator, registry = self._generator, self._generator.registry
        parent = generator.goals.get(request.parent)
        inherited = parent.providers if parent is not None else {}
        reference = request.provider or inherited.get(providers.package_of(request.tok), "")
        if not reference:
            asked = goals.Goal(
                "", state.Resource(urn="", type=request.tok), version=request.version
            )
            asked.download_url = request.pluginDownloadURL
            reference = await registry.default(asked, request.tok, generator.register)
        provider = await registry.get(reference)
        if provider.unknown:
            return {}, []
        args = values.from_struct(request.args)
        return await provider.invoke(request.tok, args, preview=self._task.preview)

    def _undecided(self, urn: str) -> bool:
        """Whether a resource, or one below a component, has no id yet."""
        made = self._generator.made
        if urn in made and made[urn].custom:
            return not made[urn].id
        return any(self._undecided(child.urn) for child in made.values() if child.parent == urn)

    async def GetDeploymentInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        return resource_pb2.DeploymentInfo(**told(self._task), supportedFeatures=FEATURES)


def _refusal(what: str) -> Any:
    async def refuse(self: Monitor, _request: Any, context: Any) -> None:
        self._executor.reject(RefusedError(what))
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, RefusedError(what).text)

    return refuse


for _name, _what in LEFT_OUT.items():
    setattr(Monitor, _name, _refusal(_what))


class EngineService(engine_pb2_grpc.EngineServicer):
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def Log(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        if not (self._executor.stopping.is_set() and request.message == TERMINATED):
            said = (request.message, request.urn, request.streamId)
            log = self._executor.events.log
            log(SEVERITIES[request.severity], *said, ephemeral=request.ephemeral)
        return empty_pb2.Empty()

    async def RequirePulumiVersion(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        return engine_pb2.RequirePulumiVersionResponse()


def _outputs(request: Any, made: state.Resource) -> Any:
    accepts = values.Accepts(request.acceptSecrets, request.acceptResources)
    return values.to_struct(made.outputs, accepts)


def told(task: Task) -> dict[str, Any]:
    return {
        "project": task.workspace.project.name,
        "stack": task.ref.name,
        "organization": "organization",
        "config": task.texts,
        "configSecretKeys": task.secret_keys,
        "dryRun": task.preview,
        "parallel": min(task.parallel, 1024),
    }


class Language:
    """The client side: the program in the SDK's process."""

    def __init__(self, address: str, task: Task) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=providers.CHANNEL)
        self._stub: Any = language_pb2_grpc.LanguageRuntimeStub(self._channel)
        self._task = task
        self._info = language_pb2.ProgramInfo(
            root_directory=str(task.workspace.project.folder),
            program_directory=str(task.workspace.project.program_folder),
            entry_point=".",
            options=values.to_struct({"address": address}),
        )

    async def about(self) -> dict[str, str]:
        """What the history notes about the runtime; nothing when the program does not say."""
        try:
            answer = await self._stub.About(language_pb2.AboutRequest(info=self._info))
        except grpc.aio.AioRpcError:
            return {}
        runtime = {"runtime.executable": answer.executable, "runtime.version": answer.version}
        return {"runtime.name": "client", **runtime}

    async def run(self, engine: str) -> tuple[str, bool]:
        """Runs the program to its end: its error text (empty: none), and whether it gave up."""
        request = language_pb2.RunRequest(
            **told(self._task),
            pwd=self._info.program_directory,
            program=".",
            args=[engine],
            monitor_address=engine,
            info=self._info,
        )
        try:
            answer = await self._stub.Run(request)
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name, False
        return answer.error, answer.bail

    async def close(self) -> None:
        await self._channel.close(None)
