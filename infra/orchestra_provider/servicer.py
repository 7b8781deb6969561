"""The gRPC face of the provider: Pulumi's protocol on one side, resource types on the other."""

# ruff: noqa: N802 (the names of the methods are the protocol's)

import errno
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.orchestra_provider.answers import (
    check_failure,
    foreseen,
    masked,
    outputs_of,
    refuse_half_made,
)
from infra.orchestra_provider.diffs import diff_response
from infra.orchestra_provider.errors import HalfMadeError, ProviderError
from infra.orchestra_provider.resource import (
    Call,
    ResourceType,
    check_fields,
    parse,
    with_defaults,
)
from infra.orchestra_provider.values import (
    UNKNOWN,
    Properties,
    from_struct,
    has_unknown,
    keep_secret,
    to_struct,
    unwrap,
)
from infra.orchestra_provider.version import VERSION

Context = grpc.ServicerContext
AnyType = ResourceType[Any]
Result = TypeVar("Result")


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """
    Serves every configuration of the package in a run; each has a connection of its own.

    A `Cancel` concerns the calls of its connection: the engine says it to one configuration that
    it has no more use for while another one is at work, and to each at the end of a good run.
    """

    def __init__(self, types: Mapping[str, AnyType]) -> None:
        self._types = types
        self._canceled: dict[str, threading.Event] = {}  # by connection

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        self._canceled[context.peer()] = threading.Event()
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        # The provider has no settings of its own; each resource carries what it needs.
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: Context
    ) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        self._event(context).set()
        return empty_pb2.Empty()

    def cancel(self) -> None:
        """Asks all calls under way to end; they leave nothing, or say what they leave."""
        for event in list(self._canceled.values()):
            event.set()

    def Check(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        kind = self._type(request.urn, context)
        news = with_defaults(kind.inputs, from_struct(request.news))
        failures = check_fields(kind.inputs, unwrap(news))
        if not failures:
            inputs = parse(kind.inputs, unwrap(news))
            olds = unwrap(from_struct(request.olds))
            old = parse(kind.inputs, olds) if olds else None
            unknown = has_unknown(news)
            news.update(dict.fromkeys(kind.derived, UNKNOWN) if unknown else kind.derive(inputs))
            found = self._guard(context, [news], lambda: kind.check(inputs, old))
            failures = [f for f in found if not has_unknown(news.get(f.property))]
        response = provider_pb2.CheckResponse(inputs=to_struct(news))
        response.failures.extend(check_failure(failure, news) for failure in failures)
        return response

    def Diff(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        kind = self._type(request.urn, context)
        old = unwrap(from_struct(request.old_inputs)) or unwrap(from_struct(request.olds))
        return diff_response(
            old,
            unwrap(from_struct(request.news)),
            kind.replaced_by,
            delete_before_replace=kind.delete_before_replace,
        )

    def Create(
        self, request: provider_pb2.CreateRequest, context: Context
    ) -> provider_pb2.CreateResponse:
        kind = self._type(request.urn, context)
        raw = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(foreseen(kind, raw)))
        inputs = parse(kind.inputs, unwrap(raw))
        identifier = kind.identify(inputs)
        outputs = self._guard(
            context,
            [raw],
            lambda: kind.create(self._call(request.urn, context), inputs),
            identifier,
        )
        return provider_pb2.CreateResponse(
            id=identifier, properties=to_struct(outputs_of(raw, outputs))
        )

    def Read(
        self, request: provider_pb2.ReadRequest, context: Context
    ) -> provider_pb2.ReadResponse:
        kind = self._type(request.urn, context)
        raw = from_struct(request.inputs) or from_struct(request.properties)
        failures = check_fields(kind.inputs, unwrap(raw)) if not request.inputs.fields else []
        if failures:
            reason = f"{kind.token} cannot be read by its id alone: {failures[0].reason}"
            text = str(ProviderError("provider.failed", reason))
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        inputs = parse(kind.inputs, unwrap(raw))
        found = self._guard(
            context,
            [raw],
            lambda: kind.read(self._call(request.urn, context), request.id, inputs),
        )
        if found is None:
            return provider_pb2.ReadResponse()
        sources = (raw, from_struct(request.properties))
        return provider_pb2.ReadResponse(
            id=request.id,
            inputs=to_struct(keep_secret(found.inputs, *sources)),
            properties=to_struct(keep_secret({**found.inputs, **found.outputs}, *sources)),
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: Context
    ) -> provider_pb2.UpdateResponse:
        kind = self._type(request.urn, context)
        olds = from_struct(request.old_inputs) or from_struct(request.olds)
        raw = from_struct(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(foreseen(kind, raw)))
        old, new = parse(kind.inputs, unwrap(olds)), parse(kind.inputs, unwrap(raw))
        outputs = self._guard(
            context,
            [raw, olds],
            lambda: kind.update(self._call(request.urn, context), request.id, old, new),
            request.id,
        )
        return provider_pb2.UpdateResponse(properties=to_struct(outputs_of(raw, outputs, olds)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> empty_pb2.Empty:
        kind = self._type(request.urn, context)
        raw = from_struct(request.old_inputs) or from_struct(request.properties)
        inputs = parse(kind.inputs, unwrap(raw))
        self._guard(
            context,
            [raw],
            lambda: kind.delete(self._call(request.urn, context), request.id, inputs),
        )
        return empty_pb2.Empty()

    def _call(self, urn: str, context: Context) -> Call:
        return Call(urn, self._event(context))

    def _event(self, context: Context) -> threading.Event:
        return self._canceled.setdefault(context.peer(), threading.Event())

    def _type(self, urn: str, context: Context) -> AnyType:
        token = urn.split("::")[2].rpartition("$")[2]
        found = self._types.get(token)
        if found is None:
            known = ", ".join(sorted(self._types))
            error = ProviderError(
                "provider.failed",
                f"{token} is not a resource type of this provider.",
                f"use one of {known}.",
            )
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return found

    def _guard(
        self,
        context: Context,
        sources: list[Properties],
        action: Callable[[], Result],
        identifier: str = "",
    ) -> Result:
        """Runs a verb of a resource type; its errors become the protocol's, with secrets masked."""
        try:
            return action()
        except HalfMadeError as error:
            refuse_half_made(context, identifier, sources, error)
        except ProviderError as error:
            text = str(error)
        except OSError as error:
            traceback.print_exc()
            code = "disk.full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "provider.failed"
            text = str(ProviderError(code, f"{error.filename or 'The system'}: {error.strerror}."))
        except Exception as error:  # noqa: BLE001 (a broken type must not take the run's thread with it)
            traceback.print_exc()
            text = str(ProviderError("provider.failed", f"{type(error).__name__}: {error}"))
        return context.abort(grpc.StatusCode.UNKNOWN, masked(text, sources))
