"""`make run` on a fresh machine to the end: development deployed for real, once."""

import json
import urllib.request

import pytest

from orchestra_portal.start.place import ROOT
from orchestra_portal.start.processes import is_free
from tests.start.stack import READY, run_stack

MEMORY_PORT = 8003
DEPLOY = ROOT / "apps" / "deployments" / "management" / "commands" / "deploy.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not DEPLOY.exists(), reason="manage.py deploy is not there yet"),
]


def ask(method, **parameters):
    """One JSON-RPC request to the memory server, without a session; the answer's `result`."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    request = urllib.request.Request(
        f"http://127.0.0.1:{MEMORY_PORT}/mcp",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        },
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
    lines = [line.removeprefix("data:").strip() for line in text.splitlines()]
    return json.loads(next(line for line in lines if line.startswith("{")))["result"]


def test_the_first_start_deploys_development_and_the_second_does_not(tmp_path):
    assert is_free(MEMORY_PORT), f"port {MEMORY_PORT} is taken, so nothing can be deployed here"
    home = tmp_path / "h"
    with run_stack(home, deploy=True) as stack:
        stack.wait_for("Deploying development for the first time.", 120)
        stack.wait_for("Development is deployed.", 300)
        stack.wait_for(READY, 10)
        client = {"name": "test", "version": "1"}
        hello = ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        assert hello["serverInfo"]["name"]
        assert stack.stop(150) == 0
        assert "no process is left" in stack.text
    assert is_free(MEMORY_PORT), "the memory server outlived the portal"
    with run_stack(home, deploy=True) as again:
        again.wait_for(READY, 60)
        assert "Deploying" not in again.text
        assert again.stop(150) == 0
