"""What a start knows about the machine's processes."""

import os
import socket
import subprocess
import sys

import pytest

from orchestra_portal.start import processes, supervisor
from orchestra_portal.start.refusal import StartRefused
from orchestra_portal.start.run import check_port

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper():
    """Starts sleeping processes with the given environment and session; ends them afterwards."""
    started = []

    def start(*, new_session=True, **environment):
        process = subprocess.Popen(
            SLEEP, start_new_session=new_session, env={**os.environ, **environment}
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_taken_port_names_its_holder(place):
    import dataclasses

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(StartRefused) as refusal:
            check_port(dataclasses.replace(place, port=port))
        assert f"Port {port} is held by process {os.getpid()} (" in refusal.value.fact
        assert refusal.value.way_out.endswith(f"PORTAL_PORT={port + 1} make run")
    check_port(dataclasses.replace(place, port=port))


def test_a_holder_that_cannot_be_seen_is_called_somebody_elses():
    assert processes.describe(None) == "a process of another user"


def test_finds_what_a_killed_supervisord_left_and_ends_it(place, sleeper):
    mark = {processes.MARK: str(place.home)}
    left = sleeper(**mark)
    (place.run / "session.json").write_text(f'{{"session": {left.pid}}}')
    place.socket.touch()
    (place.run / "supervisord.pid").write_text(str(left.pid))
    text = supervisor.clear_leftovers(place)
    assert "ended 1 processes of a start that was killed" in text
    assert "supervisor.sock, supervisord.pid, which nobody holds" in text
    assert left.wait(5) != 0
    assert not place.socket.exists()
    assert supervisor.clear_leftovers(place) == ""


def test_a_run_that_outlives_the_portal_is_left_alone(place, sleeper):
    mark = {processes.MARK: str(place.home)}
    leader, run = sleeper(**mark), sleeper(**mark)
    (place.run / "session.json").write_text(f'{{"session": {leader.pid}}}')
    assert [process.pid for process in supervisor.supervised(place)] == [leader.pid]
    supervisor.clear_leftovers(place)
    assert run.poll() is None


def test_a_stranger_with_a_reused_session_number_is_left_alone(place, sleeper):
    stranger = sleeper()
    (place.run / "session.json").write_text(f'{{"session": {stranger.pid}}}')
    assert supervisor.clear_leftovers(place) == ""
    assert stranger.poll() is None


def test_a_process_that_ignores_the_polite_signal_is_killed():
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True);"
    code += "time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = processes.read_process(process.pid)
        assert processes.stop_processes([found], grace=0.2) == []
        assert process.wait(5) == -9


def test_a_reused_number_is_not_the_same_process(sleeper):
    import dataclasses

    found = processes.read_process(sleeper().pid)
    assert processes.is_same(found)
    assert not processes.is_same(dataclasses.replace(found, start_ticks=1))
