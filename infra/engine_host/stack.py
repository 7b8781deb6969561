"""The SDK's stack on the fast path: no select before, no outputs or history after."""

import json
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.automation import LocalWorkspace, OutputMap, Stack, UpdateSummary
from pulumi.automation.events import EngineEvent
from pulumi.runtime.proto import events_pb2, events_pb2_grpc

LARGEST_MESSAGE = 400 * 1024 * 1024  # what the SDK itself allows
OPTIONS = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]

RawEvents = Callable[[dict[str, Any]], None]


class HostStack(Stack):
    """A stack that exists already. Every command names it, so that nothing has to be selected."""

    def __init__(self, name: str, workspace: LocalWorkspace, on_raw_event: RawEvents) -> None:
        # The parent's constructor would run `stack select`.
        self.name = name
        self.workspace = workspace
        self._on_raw_event = on_raw_event

    def outputs(self) -> OutputMap:
        """Nothing: outputs are read from the state, where secrets stay ciphertext."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:  # noqa: ARG002, FBT001, FBT002 (theirs)
        """A stand-in: the newest history entry may be another run's, and decides nothing here."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "not-asked")

    def _setup_event_log(
        self,
        command: str,  # noqa: ARG002 (the parent's signature)
        on_event: Callable[[EngineEvent], None],
        pulumi_version: str,  # noqa: ARG002 (the same)
    ) -> tuple[str, None, None, None, grpc.Server]:
        """The SDK's place for the event server, with one that keeps the events as they came."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=OPTIONS)
        servicer = _RawEvents(self._on_raw_event, on_event)
        events_pb2_grpc.add_EventsServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return f"tcp://127.0.0.1:{port}", None, None, None, server


class _RawEvents(events_pb2_grpc.EventsServicer):
    def __init__(self, raw: RawEvents, parsed: Callable[[EngineEvent], None]) -> None:
        self._raw = raw
        self._parsed = parsed

    def StreamEvents(  # noqa: N802 (the name is gRPC's)
        self,
        request_iterator: Iterator[events_pb2.EventRequest],
        context: grpc.ServicerContext,  # noqa: ARG002 (gRPC's signature)
    ) -> empty_pb2.Empty:
        for request in request_iterator:
            event = json.loads(request.event)
            self._raw(event)
            if "summaryEvent" in event:
                # The previews of the SDK insist on it; other kinds may be newer than the SDK.
                self._parsed(EngineEvent.from_json(event))
        return empty_pb2.Empty()
