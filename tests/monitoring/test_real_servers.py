"""The official SDK's server and a real supervisord, looked at as an installation does."""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import time

import pytest

from apps.monitoring.probes import Look, Prober, Ways
from tests.infra.supervision import supervisord
from tests.monitoring.conftest import HERE
from tests.servers import free_port

SERVER = pathlib.Path(__file__).with_name("sdk_server.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sdk(look_until):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}/mcp"
    look_until(url)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def look_until(prober):
    def act(url, limit=20):
        ends = time.monotonic() + limit
        while time.monotonic() < ends:
            found = queue.SimpleQueue()
            prober.start([Look(1, "mcp", {"url": url}, 2, {}, HERE)], found)
            if found.get(timeout=10)[1].found in ("healthy", "degraded"):
                return
            time.sleep(0.2)
        raise AssertionError(f"{url} never answered")

    return act


def test_the_official_server_is_modern_and_its_tools_arrive_raw(sdk, look):
    finding = look(url=sdk, time_limit=5, slow_ms=5000)
    assert (finding.found, finding.memory["era"]) == ("healthy", "modern")
    assert (finding.memory["server"], finding.memory["server_version"]) == ("sdk", "3.1.4")
    assert set(finding.tools) == {"add", "echo"}
    assert finding.tools["add"]["inputSchema"]["required"] == ["a", "b"]


def test_the_official_server_takes_the_handshake_too(sdk, look):
    finding = look(url=sdk, time_limit=5, slow_ms=5000, memory={"era": "handshake"})
    assert (finding.found, finding.memory["era"]) == ("healthy", "handshake")
    assert finding.memory["stateful"] is True
    assert set(finding.tools) == {"add", "echo"}


def test_a_supervised_process_is_seen_to_run_to_restart_and_to_be_gone(tmp_path):
    with supervisord() as running:
        programs = pathlib.Path(running.include_directory)
        programs.mkdir(exist_ok=True)
        (programs / "sleeper.conf").write_text(
            "[program:sleeper]\ncommand=/bin/sleep 600\nautostart=true\nstartsecs=0\n"
        )
        subprocess.run(
            [sys.executable, "-m", "supervisor.supervisorctl", "-s", f"unix://{running.socket}",
             "update"], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        pid = running.wait_for("sleeper", "RUNNING")
        prober = Prober(Ways(running.socket))

        def look(memory=None, process="sleeper"):
            found = queue.SimpleQueue()
            prober.start([Look(1, "process", {"process": process}, 5, memory or {})], found)
            return found.get(timeout=10)[1]

        first = look()
        assert (first.found, first.memory["pid"]) == ("healthy", pid)
        time.sleep(1.1)  # supervisord counts starts in whole seconds
        os.kill(pid, signal.SIGKILL)
        again = running.wait_for("sleeper", "RUNNING", other_than=pid)
        second = look(first.memory)
        assert (second.found, second.code) == ("degraded", "restarted")
        assert str(again) in second.reason
        assert look(second.memory).found == "healthy"
        gone = look(process="nobody")
        assert (gone.found, gone.code) == ("unreachable", "no_process")
        prober.close()
