"""Speaks to the provider as an engine does: real gRPC, no engine."""

import contextlib
import dataclasses

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from infra.orchestra_provider.server import OPTIONS, ProviderServer
from infra.orchestra_provider.values import SECRET, SIGNATURE, from_struct, to_struct


class RpcError(Exception):
    """What the engine would show: the text, and the partial failure when there is one."""

    def __init__(self, error):
        self.text = error.details()
        self.partial = _partial(error)
        super().__init__(self.text)


def secret(value):
    return {SIGNATURE: SECRET, "value": value}


@dataclasses.dataclass
class Engine:
    stub: provider_pb2_grpc.ResourceProviderStub
    stack: str = "development"

    def urn(self, token, name="it"):
        return f"urn:pulumi:{self.stack}::orchestra::orchestra:index:Group${token}::{name}"

    def start(self):
        self._call("Handshake", provider_pb2.ProviderHandshakeRequest(engine_address="x"))
        self._call("Configure", provider_pb2.ConfigureRequest(acceptSecrets=True))

    def cancel(self):
        self._call("Cancel", empty_pb2.Empty())

    def check(self, token, news, olds=None, name="it"):
        """The checked inputs and the failures as pairs of property and reason."""
        answer = self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=self.urn(token, name), olds=to_struct(olds or {}), news=to_struct(news)
            ),
        )
        return from_struct(answer.inputs), [(f.property, f.reason) for f in answer.failures]

    def diff(self, token, old, new, name="it"):
        return self._call(
            "Diff",
            provider_pb2.DiffRequest(
                urn=self.urn(token, name),
                id="id",
                olds=to_struct(old),
                old_inputs=to_struct(old),
                news=to_struct(new),
            ),
        )

    def create(self, token, news, name="it", *, preview=False, expect=()):
        """Checks, then creates: id and outputs. `expect`: properties that the check refuses."""
        inputs, failures = self.check(token, news, name=name)
        assert [name for name, _ in failures] == list(expect), failures
        answer = self._call(
            "Create",
            provider_pb2.CreateRequest(
                urn=self.urn(token, name), properties=to_struct(inputs), preview=preview
            ),
        )
        return answer.id, from_struct(answer.properties)

    def read(self, token, identifier, inputs, name="it", outputs=None):
        answer = self._call(
            "Read",
            provider_pb2.ReadRequest(
                urn=self.urn(token, name),
                id=identifier,
                inputs=to_struct(inputs),
                properties=to_struct(outputs or inputs),
            ),
        )
        return answer.id, from_struct(answer.inputs), from_struct(answer.properties)

    def update(self, token, identifier, old, new, name="it"):
        inputs, failures = self.check(token, new, old, name)
        assert failures == []
        answer = self._call(
            "Update",
            provider_pb2.UpdateRequest(
                urn=self.urn(token, name),
                id=identifier,
                olds=to_struct(old),
                old_inputs=to_struct(old),
                news=to_struct(inputs),
            ),
        )
        return from_struct(answer.properties)

    def delete(self, token, identifier, inputs, name="it"):
        self._call(
            "Delete",
            provider_pb2.DeleteRequest(
                urn=self.urn(token, name),
                id=identifier,
                properties=to_struct(inputs),
                old_inputs=to_struct(inputs),
            ),
        )

    def drift(self, token, identifier, inputs, name="it"):
        """Changed paths between what is recorded and what is real; None when it is gone."""
        found, now, _ = self.read(token, identifier, inputs, name)
        if not found:
            return None
        return sorted(self.diff(token, now, inputs, name).detailedDiff)

    def _call(self, method, request):
        try:
            return getattr(self.stub, method)(request, timeout=900)
        except grpc.RpcError as error:
            raise RpcError(error) from error


@contextlib.contextmanager
def engine():
    with ProviderServer() as server, connection(server.port) as found:
        yield found


@contextlib.contextmanager
def connection(port):
    """One configuration of the provider: an engine has a connection for each."""
    options = [*OPTIONS[:2], ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        found = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
        found.start()
        yield found


def _partial(error):
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                partial = provider_pb2.ErrorResourceInitFailed()
                if detail.Unpack(partial):
                    return partial
    return None
