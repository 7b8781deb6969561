"""The main job, with nothing simulated: real packages, a real supervisord, a real MCP server."""

import json
import os
import pathlib
import resource
import signal
import time
import urllib.request

import pytest

from infra.orchestra_provider import ports
from tests.infra import host, supervision

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow]


def _server(role, package, version, ecosystem, arguments=()):
    return {
        "name": role,
        "role": role,
        "port": supervision.free_port(),
        "package": package,
        "version": version,
        "ecosystem": ecosystem,
        "transport": "stdio",
        "arguments": list(arguments),
        "environment": {},
    }


MEMORY = ("memory", "@modelcontextprotocol/server-memory", "2026.8.31", "npm")
CODE = ("code", "code-index-mcp", "2.17.1", "pypi", ["--project-path", "{data}"])
GIT = ("git", "mcp-server-git", "2026.10.19", "pypi")


def _stack(folder, supervisor, servers):
    home = folder / "home"
    config = {
        "environment": "development",
        "home": str(home),
        "mcp_enabled": True,
        "database": {"kind": "sqlite", "path": str(home / "platform.sqlite3")},
        "mcp": {"servers": servers, "bridge": {"package": "mcp-proxy", "version": "6.7.19"}},
        "supervisor": supervisor.settings(),
        "monitoring": {
            "prometheus": True,
            "directory": str(home / "monitoring"),
            "portal_url": "http://127.0.0.1:8100",
        },
        "lambda_labs_api_key": "canary-of-lambda",
    }
    settings = {f"orchestra:{key}": {"value": value} for key, value in config.items()}
    settings["orchestra:lambda_labs_api_key"]["secret"] = True
    return host.Stack(folder, settings)


@pytest.fixture
def stack_of(tmp_path, supervisor):
    made = []

    def make(*servers):
        made.append(_stack(tmp_path, supervisor, [_server(*server) for server in servers]))
        return made[-1]

    yield make
    for stack in made:
        stack.run("destroy")


def test_development_is_deployed_watched_and_destroyed(stack_of, supervisor):
    stack = stack_of(MEMORY)
    port = stack.config["orchestra:mcp"]["value"]["servers"][0]["port"]
    plan = str(stack.folder / "plan.json")
    planned = stack.run("preview", plan=plan)
    assert planned["outcome"] == "succeeded", planned
    applied = stack.run("update", plan=plan)
    assert applied["outcome"] == "succeeded", applied
    assert applied["changes"] == {"create": 11}
    (server,) = applied["outputs"]["mcp_servers"]
    assert server["url"] == f"http://127.0.0.1:{port}/mcp"

    tools = _tools(server["url"])
    assert len(tools) == 9
    assert "read_graph" in tools

    before = _processor_seconds()
    assert stack.run("update")["changes"] == {"same": 11}
    # Its own work, whatever else holds the machine: with two free cores no more than that in time.
    assert _processor_seconds() - before < 3

    pid = supervisor.wait_for("development-memory", "RUNNING")
    os.kill(pid, signal.SIGKILL)
    supervisor.wait_for("development-memory", "RUNNING", other_than=pid)
    _wait_for_tools(server["url"])
    assert stack.run("drift")["changes"] == {"same": 11}

    supervision.Supervisor(supervisor.socket)._call("stopProcess", "development-memory")
    assert stack.run("drift")["changes"]["update"] == 1
    corrected = stack.run("update", refresh=True)
    assert corrected["changes"].get("update") == 1, corrected
    assert len(_wait_for_tools(server["url"])) == 9

    destroyed = stack.run("destroy")
    assert destroyed["outcome"] == "succeeded", destroyed
    assert destroyed["changes"] == {"delete": 11}
    assert ports.is_free("127.0.0.1", port)
    assert supervisor.info("development-memory") is None
    home = pathlib.Path(stack.config["orchestra:home"]["value"])
    assert not (home / "platform.sqlite3").exists()
    assert list((home / "packages").iterdir()) == []
    for path in stack.folder.rglob("*"):
        assert not path.is_file() or b"canary-of-lambda" not in path.read_bytes(), path


def test_all_three_servers_of_staging_run_side_by_side(stack_of):
    stack = stack_of(MEMORY, CODE, GIT)
    applied = stack.run("update")
    assert applied["outcome"] == "succeeded", applied
    tools = {s["name"]: len(_tools(s["url"])) for s in applied["outputs"]["mcp_servers"]}
    assert tools == {"memory": 9, "code": 14, "git": 12}
    assert stack.run("destroy")["outcome"] == "succeeded"


def test_a_package_that_cannot_be_installed_fails_and_the_next_deployment_works(stack_of):
    stack = stack_of(MEMORY)
    (server,) = stack.config["orchestra:mcp"]["value"]["servers"]
    server["version"] = "1999.1.1"
    failed = stack.run("update")
    assert (failed["outcome"], failed["code"]) == ("failed", "package.failed"), failed
    assert "server-memory 1999.1.1" in failed["reason"]
    assert failed["next_step"]
    assert failed["pending_operations"] == failed["locks"] == []
    server["version"] = "2026.8.31"
    assert stack.run("update")["outcome"] == "succeeded"


def _processor_seconds():
    """Of the hosts and engines that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tools(url):
    """Names of the tools, by the protocol's own handshake."""
    session, _ = _post(
        url,
        None,
        1,
        "initialize",
        {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    )
    _post(url, session, None, "notifications/initialized", None)
    _, result = _post(url, session, 2, "tools/list", {})
    return [tool["name"] for tool in result["result"]["tools"]]


def _post(url, session, number, method, params):
    message = {"jsonrpc": "2.0", "method": method}
    message |= {"id": number} if number else {}
    message |= {"params": params} if params is not None else {}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **({"mcp-session-id": session} if session else {}),
    }
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read().decode()
        data = [line[5:] for line in text.splitlines() if line.startswith("data:")] or [text]
        document = json.loads(data[0]) if data[0].strip() else None
        return response.headers.get("mcp-session-id") or session, document


def _wait_for_tools(url, limit=15):
    ends = time.monotonic() + limit
    while True:
        try:
            return _tools(url)
        except OSError:
            assert time.monotonic() < ends
            time.sleep(0.1)
