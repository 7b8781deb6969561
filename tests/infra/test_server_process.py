"""The server resource against a real supervisord and real processes."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from infra.orchestra_provider import mcp_probe, ports
from infra.orchestra_provider.server import ProviderServer
from tests.infra import supervision
from tests.infra.engine_rpc import RpcError, connection, secret

TOKEN = "orchestra:mcp:Server"
TINY = str(pathlib.Path(__file__).with_name("tiny_mcp.py"))

pytestmark = pytest.mark.slow


@pytest.fixture
def inputs(supervisor, free_port, tmp_path, engine):
    """Inputs of a server of this test's own; it is gone when the test ends."""
    found = {
        "process": f"test-{free_port}",
        "host": "127.0.0.1",
        "port": free_port,
        "command": [sys.executable, TINY, str(free_port)],
        "environment": {},
        "directory": str(tmp_path / "server"),
        "start_limit": 20,
        **supervisor.settings(),
    }
    yield found
    engine.delete(TOKEN, found["process"], found)


def test_a_created_server_answers_and_can_be_read(engine, inputs):
    identifier, outputs = engine.create(TOKEN, inputs)
    assert outputs["url"] == f"http://127.0.0.1:{inputs['port']}/mcp"
    assert _answer(inputs)["serverInfo"]["name"] == "tiny"
    checked, _ = engine.check(TOKEN, inputs)
    assert engine.drift(TOKEN, identifier, checked) == []


def test_only_the_declared_environment_reaches_the_server(engine, inputs, tmp_path):
    environment = {**os.environ, "PORTAL_SECRET_KEY": "canary-of-the-portal"}
    with supervision.supervisord(environment) as private:
        own = {**inputs, **private.settings(), "environment": {"SERVER_NAME": 'it\'s 100% "odd"'}}
        engine.create(TOKEN, own)
        answer = _answer(own)
        engine.delete(TOKEN, own["process"], own)
    assert "PORTAL_SECRET_KEY" not in answer["environment"]
    assert answer["environment"]["SERVER_NAME"] == 'it\'s 100% "odd"'
    assert answer["cwd"] == inputs["directory"]


def test_its_files_are_private_and_its_secrets_stay_wrapped(engine, inputs, supervisor):
    own = {**inputs, "environment": secret({"API_KEY": "canary-key"})}
    identifier, outputs = engine.create(TOKEN, own)
    assert outputs["environment"] == own["environment"]
    configuration = pathlib.Path(supervisor.include_directory) / f"{identifier}.conf"
    assert "canary-key" not in configuration.read_text()
    for path in (configuration, pathlib.Path(inputs["directory"]) / "server.json"):
        assert path.stat().st_mode & 0o077 == 0
    checked, _ = engine.check(TOKEN, own)
    _, now, _ = engine.read(TOKEN, identifier, checked)
    assert now["environment"] == own["environment"]
    assert "canary-key" not in str({k: v for k, v in now.items() if k != "environment"})


def test_a_killed_server_is_started_again(engine, inputs, supervisor):
    identifier, _ = engine.create(TOKEN, inputs)
    first = supervisor.wait_for(identifier, "RUNNING")
    os.kill(first, signal.SIGKILL)
    assert supervisor.wait_for(identifier, "RUNNING", other_than=first) != first


def test_a_stopped_server_and_a_changed_file_are_drift_and_an_update_corrects_both(
    engine, inputs, supervisor
):
    identifier, _ = engine.create(TOKEN, inputs)
    checked, _ = engine.check(TOKEN, inputs)
    supervision.Supervisor(supervisor.socket)._call("stopProcess", identifier)
    assert engine.drift(TOKEN, identifier, checked) == ["running"]
    configuration = pathlib.Path(supervisor.include_directory) / f"{identifier}.conf"
    configuration.write_text(
        configuration.read_text().replace("autorestart=true", "autorestart=false")
    )
    assert engine.drift(TOKEN, identifier, checked) == ["definition", "running"]
    engine.update(TOKEN, identifier, checked, inputs)
    assert engine.drift(TOKEN, identifier, checked) == []
    assert _answer(inputs)


def test_a_removed_server_is_gone(engine, inputs, supervisor):
    identifier, _ = engine.create(TOKEN, inputs)
    pathlib.Path(supervisor.include_directory, f"{identifier}.conf").unlink()
    supervision.Supervisor(supervisor.socket).remove(identifier)
    checked, _ = engine.check(TOKEN, inputs)
    assert engine.drift(TOKEN, identifier, checked) is None


def test_a_create_whose_record_was_lost_leaves_the_running_server_alone(engine, inputs, supervisor):
    identifier, _ = engine.create(TOKEN, inputs)
    pid = supervisor.wait_for(identifier, "RUNNING")
    engine.create(TOKEN, inputs)
    assert supervisor.info(identifier)["pid"] == pid


def test_a_new_command_restarts_the_server_on_its_new_port(engine, inputs, supervisor):
    identifier, _ = engine.create(TOKEN, inputs)
    checked, _ = engine.check(TOKEN, inputs)
    port = supervision.free_port()
    new = {**inputs, "port": port, "command": [sys.executable, TINY, str(port)]}
    outputs = engine.update(TOKEN, identifier, checked, new)
    assert outputs["url"] == f"http://127.0.0.1:{port}/mcp"
    assert _answer(new)
    assert ports.is_free("127.0.0.1", inputs["port"])


def test_a_taken_port_fails_in_the_check_and_names_its_holder(engine, inputs):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", inputs["port"]))
        holder.listen()
        _, failures = engine.check(TOKEN, inputs)
        ((name, reason),) = failures
    assert name == "port"
    assert reason.startswith(f"[port.taken] Port {inputs['port']} on 127.0.0.1 is held by ")
    assert f"pid {os.getpid()}" in reason
    assert "Nothing was changed. Next free port: " in reason
    assert not pathlib.Path(inputs["directory"]).exists()


def test_a_port_taken_after_the_check_fails_before_anything_is_changed(engine, inputs, supervisor):
    holder = subprocess.Popen([sys.executable, TINY, str(inputs["port"])])
    try:
        for _ in range(100):
            if not ports.is_free("127.0.0.1", inputs["port"]):
                break
            threading.Event().wait(0.05)
        with pytest.raises(RpcError, match=r"port\.taken.*Nothing was changed"):
            engine.create(TOKEN, inputs, expect=["port"])
    finally:
        holder.kill()
        holder.wait()
    assert supervisor.info(inputs["process"]) is None
    assert list(pathlib.Path(supervisor.include_directory).iterdir()) == []


def test_a_server_that_does_not_stay_up_leaves_nothing_and_says_its_last_words(
    engine, inputs, supervisor
):
    inputs["command"] = [sys.executable, TINY, str(inputs["port"]), "crash"]
    with pytest.raises(RpcError) as failed:
        engine.create(TOKEN, inputs)
    assert "did not stay up" in failed.value.text
    assert "cannot open the knowledge graph" in failed.value.text
    assert supervisor.info(inputs["process"]) is None
    assert list(pathlib.Path(supervisor.include_directory).iterdir()) == []


def test_a_port_that_answers_something_else_than_mcp_fails_within_the_limit(engine, inputs):
    inputs["command"] = [
        sys.executable,
        "-m",
        "http.server",
        str(inputs["port"]),
        "--bind",
        "127.0.0.1",
    ]
    inputs["start_limit"] = 2
    with pytest.raises(RpcError, match="gave no MCP answer within 2 s"):
        engine.create(TOKEN, inputs)
    assert ports.is_free("127.0.0.1", inputs["port"])


def test_an_update_that_fails_is_recorded_as_half_made(engine, inputs):
    identifier, _ = engine.create(TOKEN, inputs)
    checked, _ = engine.check(TOKEN, inputs)
    broken = {**inputs, "command": [sys.executable, TINY, str(inputs["port"]), "crash"]}
    with pytest.raises(RpcError) as failed:
        engine.update(TOKEN, identifier, checked, broken)
    assert failed.value.partial.id == identifier
    assert "did not stay up" in failed.value.partial.reasons[0]


def test_a_cancel_records_what_was_started(engine, inputs):
    inputs["command"] = [sys.executable, "-c", "import time; time.sleep(60)"]
    threading.Timer(1.0, engine.cancel).start()
    with pytest.raises(RpcError) as canceled:
        engine.create(TOKEN, inputs)
    assert canceled.value.partial.id == inputs["process"]
    assert "Canceled before" in canceled.value.partial.reasons[0]
    engine.start()  # the next run; the fixture's delete must not be canceled


def test_a_cancel_concerns_the_calls_of_its_own_connection_only(inputs):
    inputs["command"] = [sys.executable, TINY, str(inputs["port"])]
    slow = {**inputs, "command": ["/bin/sleep", "60"]}
    with (
        ProviderServer() as server,
        connection(server.port) as other,
        connection(server.port) as ours,
    ):
        other.cancel()
        ours.create(TOKEN, inputs)
        ours.cancel()
        with pytest.raises(RpcError, match="Canceled before"):
            ours.update(TOKEN, inputs["process"], inputs, slow)


def test_a_foreign_process_of_that_name_is_refused(engine, inputs, supervisor):
    path = pathlib.Path(supervisor.include_directory) / f"{inputs['process']}.conf"
    path.write_text(f"[program:{inputs['process']}]\ncommand=/bin/sleep 60\n")
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.create(TOKEN, inputs)
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.delete(TOKEN, inputs["process"], inputs)
    path.unlink()


def test_a_delete_reads_back_that_port_and_process_are_free(engine, inputs, supervisor):
    identifier, _ = engine.create(TOKEN, inputs)
    engine.delete(TOKEN, identifier, inputs)
    assert ports.is_free("127.0.0.1", inputs["port"])
    assert supervisor.info(identifier) is None
    assert list(pathlib.Path(supervisor.include_directory).iterdir()) == []
    assert (pathlib.Path(inputs["directory"]) / "server.log").exists()
    engine.delete(TOKEN, identifier, inputs)


def test_a_supervisor_that_is_not_there_fails_in_the_check(engine, inputs):
    _, failures = engine.check(TOKEN, {**inputs, "socket": "/nonexistent/s.sock"})
    ((name, reason),) = failures
    assert name == "socket"
    assert "does not answer" in reason
    assert "make run" in reason


def test_without_its_supervisor_a_server_reads_as_not_running_and_can_be_deleted(engine, inputs):
    with supervision.supervisord() as private:
        own = {**inputs, **private.settings()}
        identifier, _ = engine.create(TOKEN, own)
        checked, _ = engine.check(TOKEN, own)
        private.stop()
        assert engine.drift(TOKEN, identifier, checked) == ["running"]
        engine.delete(TOKEN, identifier, own)
        assert engine.drift(TOKEN, identifier, checked) is None


def test_two_environments_have_the_same_port_on_addresses_of_their_own(engine, inputs):
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.3", inputs["port"]))
        elsewhere.listen()
        engine.create(TOKEN, inputs)
        assert ports.holders("127.0.0.3", inputs["port"])[0].pid == os.getpid()
        (ours,) = ports.holders("127.0.0.1", inputs["port"])
        assert ours.pid != os.getpid()
        _, failures = engine.check(TOKEN, {**inputs, "process": "other", "host": "127.0.0.3"})
        assert f"pid {os.getpid()}." in failures[0][1]
        assert f"pid {ours.pid}." not in failures[0][1]


@pytest.mark.parametrize("family", ["0.0.0.0", "::"])
def test_a_listener_on_all_addresses_holds_the_port_of_each(free_port, family):
    with socket.socket(socket.AF_INET6 if ":" in family else socket.AF_INET) as everywhere:
        everywhere.bind((family, free_port))
        everywhere.listen()
        assert not ports.is_free("127.0.0.2", free_port)
        assert [h.pid for h in ports.holders("127.0.0.2", free_port)] == [os.getpid()]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "localhost.example"])
def test_only_loopback_addresses_are_taken(engine, inputs, host):
    _, failures = engine.check(TOKEN, {**inputs, "host": host})
    assert [name for name, _ in failures] == ["host"]


def test_a_probe_tells_an_mcp_server_from_another_one(engine, inputs):
    engine.create(TOKEN, inputs)
    assert mcp_probe.answer("127.0.0.1", inputs["port"], "/mcp")["protocolVersion"]
    assert mcp_probe.answer("127.0.0.1", supervision.free_port(), "/mcp") is None


def _answer(inputs):
    """The whole result of `initialize`, environment included."""
    connection = http.client.HTTPConnection("127.0.0.1", inputs["port"], timeout=5)
    connection.request("POST", "/mcp", '{"jsonrpc": "2.0", "id": 1, "method": "initialize"}')
    result = json.loads(connection.getresponse().read())["result"]
    connection.close()
    return result
