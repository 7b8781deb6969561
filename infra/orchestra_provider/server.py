"""Serves the provider: in a thread for one run, or in the foreground for the CLI."""

import os
import signal
import sys
import threading
from concurrent import futures
from types import TracebackType
from typing import Self

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from infra.orchestra_provider.catalogue import RESOURCE_TYPES
from infra.orchestra_provider.servicer import Servicer

LARGEST_MESSAGE = 400 * 1024 * 1024  # what the engine allows
OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.so_reuseport", 0),
]
WORKERS = 32  # calls for independent resources come in parallel; most of them wait
PARENT_POLL = 0.5  # seconds
GRACE = 5.0  # seconds that calls under way may take to notice a cancel


class ProviderServer:
    """A context manager; `port` is on 127.0.0.1."""

    def __init__(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=OPTIONS)
        self._servicer = Servicer(RESOURCE_TYPES)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self._servicer, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An engine that was killed said no goodbye: what it had asked for must not go on alone.
        self._servicer.cancel()
        self._server.stop(grace=GRACE).wait()


def serve_plugin(parent: int) -> None:
    """
    As a plugin of the CLI: the port is the first line of standard output, and the end of the
    parent is ours.
    """
    with ProviderServer() as provider:
        sys.stdout.write(f"{provider.port}\n")
        sys.stdout.flush()
        _wait_for_end_of(parent)


def _wait_for_end_of(parent: int) -> None:
    stop = threading.Event()
    # The CLI interrupts its plugins when it is interrupted; steps under way end by `Cancel`
    # instead.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(PARENT_POLL) and os.getppid() == parent:
        pass
