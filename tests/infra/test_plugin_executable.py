"""The provider as the CLI starts it: prints its port, ends with its parent."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

from infra.orchestra_provider.version import VERSION

EXECUTABLE = (
    pathlib.Path(__file__).resolve().parents[2]
    / "infra/orchestra_provider/bin/pulumi-resource-orchestra"
)

pytestmark = pytest.mark.slow

# A parent that starts the plugin, prints its pid and port, and waits to be killed.
PARENT = """
import subprocess, sys, time
plugin = subprocess.Popen([sys.argv[1], "127.0.0.1:1"], stdout=subprocess.PIPE, text=True)
print(plugin.pid, plugin.stdout.readline().strip(), flush=True)
time.sleep(60)
"""


def test_the_executable_serves_and_ends_with_its_parent(tmp_path):
    environment = {"PATH": os.environ["PATH"], "PULUMI_PYTHON_CMD": sys.executable}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(EXECUTABLE)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    try:
        plugin, port = map(int, parent.stdout.readline().split())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            info = stub.GetPluginInfo(empty_pb2.Empty(), timeout=10)
            # The CLI interrupts its plugins with itself; steps under way end by Cancel instead.
            os.kill(plugin, signal.SIGINT)
            stub.Cancel(empty_pb2.Empty(), timeout=10)
    finally:
        parent.kill()
        parent.communicate()
    assert info.version == VERSION
    ends = time.monotonic() + 10
    while pathlib.Path(f"/proc/{plugin}").exists():
        assert time.monotonic() < ends
        time.sleep(0.05)
