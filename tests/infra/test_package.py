"""The package resource: real installs where the index can be reached, and its refusals without."""

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.orchestra_provider.errors import CanceledError, ProviderError
from infra.orchestra_provider.installing import run_installer
from tests.infra.engine_rpc import RpcError

TOKEN = "orchestra:mcp:Package"
MEMORY = {"name": "@modelcontextprotocol/server-memory", "version": "2026.8.31", "ecosystem": "npm"}
GIT = {"name": "mcp-server-git", "version": "2026.10.19", "ecosystem": "pypi"}
CODE = {"name": "code-index-mcp", "version": "2.17.1", "ecosystem": "pypi"}


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "folder"),
    [
        (MEMORY, "modelcontextprotocol-server-memory-2026.8.31"),
        (GIT, "mcp-server-git-2026.10.19"),
        (CODE, "code-index-mcp-2.17.1"),
    ],
)
def test_a_package_is_installed_started_read_adopted_and_removed(engine, tmp_path, package, folder):
    inputs = {**package, "home": str(tmp_path)}
    identifier, outputs = engine.create(TOKEN, inputs)
    assert identifier == str(tmp_path / "packages" / folder)
    assert sorted(entry.name for entry in (tmp_path / "packages").iterdir()) == [folder]
    assert _tools(outputs["command"])
    checked, _ = engine.check(TOKEN, inputs)
    assert engine.drift(TOKEN, identifier, checked) == []
    marker = tmp_path / "packages" / folder / "kept"
    marker.touch()
    assert engine.create(TOKEN, inputs) == (identifier, outputs)
    assert marker.exists()
    engine.delete(TOKEN, identifier, inputs)
    assert list((tmp_path / "packages").iterdir()) == []
    assert engine.drift(TOKEN, identifier, checked) is None
    engine.delete(TOKEN, identifier, inputs)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("ecosystem", ["npm", "pypi"])
def test_a_package_that_does_not_exist_fails_with_the_installers_words(engine, tmp_path, ecosystem):
    inputs = {"name": "orchestra-no-such-package", "version": "9.9.9", "ecosystem": ecosystem}
    with pytest.raises(RpcError) as failed:
        engine.create(TOKEN, {**inputs, "home": str(tmp_path)})
    assert failed.value.text.startswith("[package.failed] Installing orchestra-no-such-package")
    assert "exit code 1" in failed.value.text
    assert list((tmp_path / "packages").iterdir()) == []


@pytest.fixture
def untrusted(certificate, monkeypatch):
    """Both installers are pointed at an index whose certificate nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}/"
    for name, value in {
        "NPM_CONFIG_REGISTRY": url,
        "PIP_INDEX_URL": url,
        "PIP_RETRIES": "1",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("package", [MEMORY, GIT], ids=["npm", "pypi"])
@pytest.mark.usefixtures("untrusted")
def test_an_index_that_nobody_vouches_for_is_told_with_the_way_out(engine, tmp_path, package):
    with pytest.raises(RpcError) as failed:
        engine.create(TOKEN, {**package, "home": str(tmp_path)})
    assert failed.value.text.startswith("[package.failed] Installing")
    assert "Next: the package index shows a certificate that this machine does not trust" in (
        failed.value.text
    )
    assert list((tmp_path / "packages").iterdir()) == []


def test_a_preview_promises_what_only_the_install_can_know(engine, tmp_path):
    _, outputs = engine.create(TOKEN, {**MEMORY, "home": str(tmp_path)}, preview=True)
    assert outputs["command"] == outputs["directory"] == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert outputs["version"] == MEMORY["version"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "latest"}, "version"),
        ({"version": "^1.0.0"}, "version"),
        ({"version": "1.0.0 --global"}, "version"),
        ({"name": "../evil"}, "name"),
        ({"name": "--prefix=/"}, "name"),
        ({"name": "https://example.invalid/x.tgz"}, "name"),
        ({"ecosystem": "cargo"}, "ecosystem"),
        ({"home": "relative"}, "home"),
        ({"requires": ["-r /etc/passwd"]}, "requires"),
        ({"node": "/nonexistent/node"}, "node"),
    ],
)
def test_a_package_that_is_not_exactly_pinned_is_refused_by_the_check(engine, change, named):
    _, failures = engine.check(TOKEN, {**MEMORY, "home": "/home/x", **change})
    assert [name for name, _ in failures] == [named]


def test_a_foreign_folder_is_refused_and_left_as_it_is(engine, tmp_path):
    folder = tmp_path / "packages" / "mcp-server-git-2026.10.19"
    folder.mkdir(parents=True)
    (folder / "theirs").write_text("x")
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.create(TOKEN, {**GIT, "home": str(tmp_path)})
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.delete(TOKEN, str(folder), {**GIT, "home": str(tmp_path)})
    assert (folder / "theirs").exists()


def test_another_resources_package_is_refused_by_name(engine, tmp_path):
    folder = tmp_path / "packages" / "mcp-server-git-2026.10.19"
    folder.mkdir(parents=True)
    (folder / "orchestra-package.json").write_text(json.dumps({"owner": "urn:other"}))
    with pytest.raises(RpcError, match="belongs to urn:other"):
        engine.create(TOKEN, {**GIT, "home": str(tmp_path)})


def test_an_installer_that_takes_too_long_is_ended_with_its_last_words():
    with pytest.raises(ProviderError, match=r"longer than 0.3 s. working on it") as failed:
        run_installer(
            ["/bin/sh", "-c", "echo working on it; sleep 30"], "It", threading.Event(), limit=0.3
        )
    assert failed.value.code == "package.failed"


def test_a_cancel_ends_the_installer_at_once():
    canceled = threading.Event()
    threading.Timer(0.2, canceled.set).start()
    with pytest.raises(CanceledError):
        run_installer(["/bin/sleep", "30"], "It", canceled, limit=20)


def _tools(command):
    """Speaks MCP over the program's standard streams; the names of its tools."""
    messages = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for message in messages:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            if message.get("id") == 1:
                process.stdout.readline()
        return [tool["name"] for tool in json.loads(process.stdout.readline())["result"]["tools"]]
    finally:
        process.kill()
        process.communicate()
