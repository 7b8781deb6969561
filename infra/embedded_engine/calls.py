"""
The calls of the provider protocol, in values instead of messages.

A `Provider` is one configured instance of a plugin. It sends what the plugin says that it accepts
and puts back the secret marks that were taken off. Configuring runs in the background: the error,
if any, is that of the first call which needs the configuration.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from infra.embedded_engine import diffs, values
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.state import Resource, urn_name, urn_type

FLATTENED = values.Accepts(secrets=False, references=False)
UNKNOWN_CONFIG = "The provider for this resource has inputs that are not known during preview.\n"
CHANGES = {pb.DiffResponse.DIFF_NONE: False, pb.DiffResponse.DIFF_SOME: True}
Failures = list[tuple[str, str]]  # property or empty, reason


@dataclass(slots=True)
class Found:
    """An object as its provider describes it. No id: there is none. `reasons`: not ready."""

    id: str
    outputs: dict[str, Any]
    inputs: dict[str, Any] | None = None
    reasons: list[str] = field(default_factory=list)


class Failed(EngineError):
    """A call failed. `partial` is set when the object exists all the same, but is not ready."""

    def __init__(self, text: str, status: str = "", partial: Found | None = None) -> None:
        super().__init__(text)
        self.status = status  # name of the gRPC status; empty when the engine itself says no
        self.partial = partial


def failure(error: grpc.aio.AioRpcError) -> Failed:
    trailer: Any = error.trailing_metadata() or ()  # pairs; the stubs say otherwise
    for key, value in trailer:
        status = status_pb2.Status.FromString(value) if key.endswith("-details-bin") else None
        for detail in status.details if status else ():
            message = pb.ErrorResourceInitFailed()
            if detail.Unpack(message):
                reasons = list(message.reasons)
                many = f"{len(reasons)} error{'' if len(reasons) == 1 else 's'} occurred:"
                text = "\n".join([many, *(f"\t* {reason}" for reason in reasons), "", ""])
                inputs = values.from_struct(message.inputs) or None
                found = Found(message.id, values.from_struct(message.properties), inputs, reasons)
                return Failed(text, error.code().name, found)
    return Failed(error.details() or "", error.code().name)


class Provider:
    """One instance of a provider: a plugin process or an attached one, of its own."""

    def __init__(self, package: str, channel: grpc.aio.Channel, close: Callable[[], Any]) -> None:
        self.package = package
        self.close = close  # ends the process; a coroutine function
        self.unknown = False  # configured with values that are not known yet
        self._previews = self._shaken = False
        self._accepts = FLATTENED
        self._stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        self._configured: asyncio.Task[None] | None = None

    async def _call(self, method: str, request: Any, *, optional: bool = False) -> Any:
        try:
            return await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as error:
            if optional and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise failure(error) from error

    async def _ready(self) -> None:
        if self._configured is not None:
            await asyncio.shield(self._configured)

    async def _ask(self, method: str, urn: str, **fields: Any) -> Any:
        """A call about a resource, after configuration; maps go as the plugin accepts them."""
        await self._ready()
        structs = {
            key: values.to_struct(value, self._accepts) if isinstance(value, dict) else value
            for key, value in fields.items()
        }
        return await self._call(method, getattr(pb, f"{method}Request")(**_of(urn), **structs))

    async def _ask_config(self, method: str, urn: str, **maps: Mapping[str, Any]) -> Any:
        """A call about the plugin's own configuration, which need not know it."""
        flat = {k: values.to_struct(public(v), FLATTENED) for k, v in maps.items()}
        kind = getattr(pb, f"{method}Request")
        return await self._call(f"{method}Config", kind(**_of(urn), **flat), optional=True)

    def _answer(self, struct: Struct, sent: Mapping[str, Any]) -> dict[str, Any]:
        entries = values.from_struct(struct)
        return entries if self._accepts.secrets else values.annotate(entries, sent)

    async def handshake(self, engine: str, folder: str | None) -> None:
        """`folder` is that of the executable, or None for an attached provider."""
        request = pb.ProviderHandshakeRequest(
            engine_address=engine,
            root_directory=folder,
            program_directory=folder,
            configure_with_urn=True,
            supports_views=True,  # as the CLI: a provider that publishes any finds no address
            supports_refresh_before_update=True,
            invoke_with_preview=True,
        )
        answer = await self._call("Handshake", request, optional=True)
        if answer is not None:
            self._accepts = values.Accepts(answer.accept_secrets, answer.accept_resources)
            self._previews = self._shaken = True
        if folder is None:
            await self._call("Attach", plugin_pb2.PluginAttach(address=engine))

    async def check_config(
        self, urn: str, olds: Mapping[str, Any], news: dict[str, Any]
    ) -> tuple[dict[str, Any], Failures]:
        answer = await self._ask_config("Check", urn, olds=olds, news=news)
        if answer is None:
            return news, []
        return values.annotate(values.from_struct(answer.inputs), news), _failures(answer)

    async def diff_config(self, urn: str, old: Resource, news: Mapping[str, Any]) -> diffs.Diff:
        answer = await self._ask_config("Diff", urn, **_sides(old, news))
        return diffs.Diff(changed=None) if answer is None else _diff(answer)

    def configure(self, resource: Resource) -> None:
        """Begins to configure with the resource's inputs, unless something in them is unknown."""
        inputs = public(resource.inputs)
        self.unknown = values.has_unknown(inputs)
        if self.unknown:
            return
        texts = {k: v for k, v in values.plain(inputs).items() if k != "version"}
        request = pb.ConfigureRequest(
            **_of(resource.urn),
            id=resource.id,
            args=values.to_struct(inputs),
            variables={
                f"{self.package}:config:{key}": v if isinstance(v, str) else values.json_text(v)
                for key, v in texts.items()
            },
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        self._configured = asyncio.ensure_future(self._configure(request))
        self._configured.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _configure(self, request: pb.ConfigureRequest) -> None:
        answer = await self._call("Configure", request)
        if not self._shaken:
            self._accepts = values.Accepts(answer.acceptSecrets, answer.acceptResources)
            self._previews = answer.supportsPreview

    async def check(
        self, urn: str, olds: Mapping[str, Any], news: dict[str, Any], seed: bytes
    ) -> tuple[dict[str, Any], Failures]:
        if self.unknown:
            return news, []
        answer = await self._ask("Check", urn, olds=olds, news=news, randomSeed=seed)
        return self._answer(answer.inputs, news), _failures(answer)

    async def diff(self, old: Resource, news: Mapping[str, Any]) -> diffs.Diff:
        """From `old` to new inputs. A refresh gives what it found as the old side."""
        fields = {"id": old.id, "ignoreChanges": old.ignore_changes, **_sides(old, news)}
        return _diff(await self._ask("Diff", old.urn, **fields))

    async def make(
        self, old: Resource | None, new: Resource, seconds: float, *, preview: bool
    ) -> tuple[str, dict[str, Any]]:
        """Creates, or updates the old one; answers id and outputs."""
        id_ = old.id if old else ""
        if preview:
            if not self.unknown:
                await self._ready()  # it may say what it can do only now
            if self.unknown or not self._previews:
                return id_, {} if self.unknown else new.inputs
        fields: dict[str, Any] = {"timeout": seconds, "preview": preview}
        if old is None:
            answer = await self._ask("Create", new.urn, properties=new.inputs, **fields)
            id_ = answer.id
            if not id_ and not preview:
                raise Failed(f"plugin returned empty resource.ID from create '{new.urn}'")
        else:
            fields |= {"id": id_, "ignoreChanges": new.ignore_changes, **_sides(old, new.inputs)}
            answer = await self._ask("Update", new.urn, **fields)
        new.refresh_before_update = answer.refresh_before_update
        return id_, self._answer(answer.properties, new.inputs)

    async def read(
        self,
        resource: Resource,
        id_: str,
        inputs: dict[str, Any] | None,
        outputs: dict[str, Any] | None,
    ) -> Found:
        """
        `inputs` and `outputs` are the known ones, None for an import.

        Nothing known when the provider has unknown inputs: the id and empty maps.
        """
        if self.unknown:
            return Found(id_, {})
        answer = await self._ask("Read", resource.urn, id=id_, properties=outputs, inputs=inputs)
        if inputs is None:
            resource.refresh_before_update = answer.refresh_before_update
        found = self._answer(answer.inputs, inputs or {}) if answer.HasField("inputs") else None
        return Found(answer.id, self._answer(answer.properties, outputs or {}), found)

    async def delete(self, old: Resource, seconds: float) -> None:
        sides = {"properties": old.outputs, "old_inputs": old.inputs}
        await self._ask("Delete", old.urn, id=old.id, timeout=seconds, **sides)

    async def invoke(
        self, token: str, args: Mapping[str, Any], *, preview: bool
    ) -> tuple[dict[str, Any], Failures]:
        await self._ready()
        accepts = dataclasses.replace(self._accepts, unknowns=False)
        request = pb.InvokeRequest(tok=token, args=values.to_struct(args, accepts), preview=preview)
        answer = await self._call("Invoke", request)
        return values.from_struct(getattr(answer, "return")), _failures(answer)

    async def cancel(self) -> None:
        """Asks the plugin to give up what it is doing; one that cannot is left alone."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._stub.Cancel(empty_pb2.Empty(), timeout=5)


def _of(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": urn_name(urn), "type": urn_type(urn)}


def _sides(old: Resource, news: Mapping[str, Any]) -> dict[str, Any]:
    return {"olds": old.outputs, "old_inputs": old.inputs, "news": news}


def _failures(answer: Any) -> Failures:
    return [(f.property, f.reason) for f in answer.failures]


def public(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A provider resource's properties without the engine's own."""
    return {k: v for k, v in inputs.items() if k != "__internal"}


def _diff(answer: Any) -> diffs.Diff:
    detailed = {}
    for path, entry in answer.detailedDiff.items() if answer.hasDetailedDiff else ():
        kind = pb.PropertyDiff.Kind.Name(entry.kind).lower().replace("_", "-")
        detailed[path] = {"diffKind": kind, "inputDiff": entry.inputDiff}
    changed, replaces, keys = CHANGES.get(answer.changes), list(answer.replaces), list(answer.diffs)
    return diffs.Diff(changed, replaces, keys, detailed, answer.deleteBeforeReplace)
