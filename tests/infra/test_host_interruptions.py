"""Cancel, time limit, lost run process, killed engine: each leaves a state one knows."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from infra.orchestra_provider import ports
from tests.infra import host, supervision

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROGRAM = {
    "kind": "directory",
    "path": str(pathlib.Path(__file__).with_name("programs") / "servers"),
}
TINY = str(pathlib.Path(__file__).with_name("tiny_mcp.py"))


@pytest.fixture
def fleet(tmp_path, supervisor):
    """A stack of two servers; the second never answers, so its create goes on."""
    stack = host.Stack(tmp_path, {}, program=PROGRAM)
    servers = [
        _server(tmp_path, supervisor, answers=True),
        _server(tmp_path, supervisor, answers=False),
    ]
    stack.config = {"orchestra:servers": {"value": servers}}
    stack.servers = servers
    yield stack
    _answering(stack)
    stack.run("refresh", clear_pending_creates=True)
    stack.run("destroy")


def _server(folder, supervisor, *, answers):
    port = supervision.free_port()
    command = [sys.executable, TINY, str(port)]
    return {
        "host": "127.0.0.1",
        "port": port,
        "command": command if answers else ["/bin/sleep", "600"],
        "environment": {},
        "directory": str(folder / f"server-{port}"),
        "start_limit": 120,
        **supervisor.settings(),
    }


def _answering(stack):
    """Mends the second server in the settings."""
    port = stack.servers[1]["port"]
    stack.servers[1]["command"] = [sys.executable, TINY, str(port)]


def _creating(line, number=1):
    event = line.get("event", {}).get("resourcePreEvent")
    return (
        event and event["metadata"]["urn"].endswith(f"server-{number}") and "planning" not in event
    )


def _urns(result):
    return [r["urn"].rpartition("::")[2] for r in result["state"]["deployment"]["resources"]]


def _gone(pid, limit=20):
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        if not pathlib.Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_a_cancel_ends_at_once_and_what_was_started_is_recorded(fleet, supervisor):
    run = fleet.start("update")
    run.wait_for(_creating)
    supervisor.wait_for(f"own-{fleet.servers[1]['port']}", "RUNNING")
    started = time.monotonic()
    run.say({"control": "cancel"})
    result = run.finish()[-1]
    assert time.monotonic() - started < 8
    assert (result["outcome"], result["code"]) == ("canceled", "run.canceled"), result
    assert {"server-0", "server-1"} <= set(_urns(result))
    assert result["pending_operations"] == result["locks"] == []
    _answering(fleet)
    again = fleet.run("update")
    assert again["outcome"] == "succeeded", again
    assert again["changes"]["update"] == 1


def test_a_cancel_before_the_engine_starts_starts_none(fleet):
    run = fleet.start("update")
    run.say({"control": "cancel"})
    lines = run.finish()
    assert (lines[-1]["outcome"], lines[-1]["code"]) == ("canceled", "run.canceled")
    assert [line["type"] for line in lines] == ["hello", "result"]


def test_the_time_limit_is_a_cancel_with_its_own_name(fleet):
    result = fleet.start("update", time_limit=6, grace=5).finish()[-1]
    assert (result["outcome"], result["code"]) == ("canceled", "run.time_limit"), result
    assert "6 s" in result["reason"]
    assert result["locks"] == []


def test_a_host_whose_run_process_is_gone_ends_the_engine_in_order(fleet):
    run = fleet.start("update", grace=5)
    engine = run.wait_for(lambda line: line["type"] == "engine" and "up" in line["command"])["pid"]
    run.wait_for(_creating)
    run.leave()
    run.wait_for_end()
    assert _gone(engine)
    found = fleet.run("inspect")
    assert found["locks"] == found["pending_operations"] == []
    assert "server-0" in _urns(found)


def test_a_killed_engine_leaves_a_pending_create_and_nothing_runs_until_it_is_settled(fleet):
    run = fleet.start("update")
    engine = run.wait_for(lambda line: line["type"] == "engine" and "up" in line["command"])["pid"]
    run.wait_for(_creating)
    time.sleep(0.5)
    os.kill(engine, signal.SIGKILL)
    result = run.finish()[-1]
    assert (result["outcome"], result["code"]) == ("errored", "engine.killed"), result
    (pending,) = result["pending_operations"]
    assert pending["operation"] == "creating"
    assert pending["urn"].endswith("server-1")
    assert len(result["locks"]) == 1
    assert result["locks"][0]["pid"] == engine

    for operation in ("preview", "update", "destroy"):
        refused = fleet.run(operation)
        assert (refused["outcome"], refused["code"]) == ("refused", "state.pending_operations")
    assert fleet.run("unlock", locks=result["locks"])["outcome"] == "succeeded"
    read = fleet.run("refresh")
    assert (read["outcome"], len(read["pending_operations"])) == ("succeeded", 1), read
    settled = fleet.run("refresh", clear_pending_creates=True)
    assert settled["outcome"] == "succeeded", settled
    assert settled["pending_operations"] == []
    _answering(fleet)
    # The leftover of the lost create is adopted, not made a second time.
    assert fleet.run("update")["outcome"] == "succeeded"


def test_a_taken_port_fails_in_the_preview_and_names_its_holder(fleet):
    port = fleet.servers[0]["port"]
    holder = subprocess.Popen([sys.executable, TINY, str(port)])
    try:
        while ports.is_free("127.0.0.1", port):
            time.sleep(0.05)
        result = fleet.run("preview")
    finally:
        holder.kill()
        holder.wait()
    assert (result["outcome"], result["code"]) == ("failed", "port.taken"), result
    assert f"pid {holder.pid}" in result["reason"]
    assert result["next_step"].startswith("End that process, or give own-")


def test_what_was_made_before_a_failure_is_recorded_and_the_next_run_goes_on_from_there(fleet):
    port = str(fleet.servers[1]["port"])
    fleet.servers[1]["command"] = [sys.executable, TINY, port, "crash"]
    failed = fleet.run("update")
    assert (failed["outcome"], failed["code"]) == ("failed", "provider.failed"), failed
    assert failed["reason"].startswith(f"own-{port} did not stay up (fatal)")
    assert "cannot open the knowledge graph" in failed["reason"]
    assert failed["pending_operations"] == failed["locks"] == []
    assert "server-0" in _urns(failed)
    assert "server-1" not in _urns(failed)
    _answering(fleet)
    again = fleet.run("update")
    assert (again["outcome"], again["changes"]["create"]) == ("succeeded", 1), again


def test_what_a_teams_program_prints_is_output_and_its_siblings_are_found(fleet):
    _answering(fleet)
    lines = fleet.lines("update")
    assert lines[-1]["outcome"] == "succeeded", lines[-1]
    assert lines[-1]["outputs"] == {"last": f"http://127.0.0.1:{fleet.servers[1]['port']}/mcp"}
    printed = [line["text"] for line in lines if line["type"] == "output"]
    assert any("all servers declared" in text for text in printed)


def test_a_stopped_server_is_started_again_by_an_update_that_refreshes_first(fleet, supervisor):
    _answering(fleet)
    assert fleet.run("update")["outcome"] == "succeeded"
    supervision.Supervisor(supervisor.socket)._call(
        "stopProcess", f"own-{fleet.servers[0]['port']}"
    )
    corrected = fleet.run("update", refresh=True)
    # The engine is done with the refresh's provider while the update's is at work.
    assert corrected["outcome"] == "succeeded", corrected
    assert corrected["changes"]["update"] == 1


def test_a_destroy_that_was_interrupted_is_not_called_done(fleet):
    _answering(fleet)
    # This server takes its eight seconds before supervisord kills it, so that the cancel falls
    # into its delete.
    stubborn = "import signal,runpy,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    stubborn += "sys.argv=sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    port = str(fleet.servers[1]["port"])
    fleet.servers[1]["command"] = [sys.executable, "-c", stubborn, TINY, port]
    assert fleet.run("update")["outcome"] == "succeeded"
    run = fleet.start("destroy")
    run.wait_for(_creating)
    run.say({"control": "cancel"})
    result = run.finish()[-1]
    assert result["outcome"] == "canceled", result
    assert result["code"] in ("run.canceled", "run.incomplete")
    assert "server-0" in _urns(result)
    assert fleet.run("destroy")["outcome"] == "succeeded"
