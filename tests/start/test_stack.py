"""`make run` from an empty folder to a stop, with real processes."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from orchestra_portal.start.processes import all_processes, environment_of
from tests.start.stack import READY, run_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def processes_of(home):
    """Everything on the machine that was started for this home, whatever its session."""
    return [p for p in all_processes() if f"ORCHESTRA_HOME={home}" in environment_of(p.pid)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for the module: the first test sets it up, the others start it again."""
    return tmp_path_factory.mktemp("s") / "h"


def test_starts_from_nothing_and_stops_without_a_trace(home):
    with run_stack(home) as stack:
        stack.wait_for(READY, 120)
        assert stack.get("healthz")[0] == 200
        assert {"web", "worker", "beat"} <= programs(stack)
        assert "password" in stack.text
        assert stack.stop() == 0
        assert "no process is left" in stack.text
        assert processes_of(home) == []
        assert not stack.place.socket.exists()


def programs(stack):
    """Which of the portal's programs run, told by their command lines."""
    marks = {"web": "daphne", "worker": "orchestra_portal.worker", "beat": " beat "}
    commands = [process.command for process in stack.processes()]
    return {name for name, mark in marks.items() if any(mark in command for command in commands)}


def test_starts_again_within_ten_seconds_tells_no_password_and_deploys_nothing(home):
    """The better of two, and on a machine with more to do than cores, as much longer."""
    seconds = []
    for _ in range(2):
        with run_stack(home) as stack:
            seconds.append(stack.wait_for(READY, 60))
            assert "password" not in stack.text
            assert "Deploying" not in stack.text
            assert stack.stop() == 0
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert min(seconds) <= 10 * busy


def test_no_file_of_the_installation_is_open_to_other_users(home):
    open_files = [
        path
        for path in home.rglob("*")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_files == []


def test_a_second_start_of_the_same_home_is_refused_and_names_the_first(home):
    with run_stack(home) as first:
        first.wait_for(READY, 60)
        with run_stack(home, alone=False) as second:
            assert second.process.wait(30) == 2
            second.wait_for(f"runs already (process {first.process.pid})", 5)
        assert first.get("healthz")[0] == 200


def test_a_killed_start_takes_its_portal_along(home):
    with run_stack(home) as stack:
        stack.wait_for(READY, 60)
        stack.process.kill()
        deadline = time.monotonic() + 40
        while processes_of(home) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert processes_of(home) == []


def test_what_a_killed_supervisord_left_is_recognised_by_the_next_start(home):
    with run_stack(home) as stack:
        stack.wait_for(READY, 60)
        leader = [p for p in stack.processes() if p.pid == p.session]
        os.kill(leader[0].pid, signal.SIGKILL)
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        assert stack.processes(), "nothing was left, so the test says nothing"
        with run_stack(home) as again:
            again.wait_for(READY, 60)
            assert "of a start that was killed" in again.text
            assert again.stop() == 0
    assert processes_of(home) == []


def test_a_killed_worker_comes_back(home):
    with run_stack(home) as stack:
        stack.wait_for(READY, 60)
        worker = next(p for p in stack.processes() if "orchestra_portal.worker" in p.command)
        os.kill(worker.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [p for p in stack.processes() if "orchestra_portal.worker" in p.command]
            if found and found[0].pid != worker.pid:
                break
            time.sleep(0.1)
        assert found
        assert found[0].pid != worker.pid
        assert stack.stop() == 0


RUN = """
import django, socket, sys; django.setup()
from apps.deployments.models import Run
from apps.environments.models import Stack
from orchestra_portal.start.processes import read_process
process = read_process(int(sys.argv[1]))
stack = Stack.objects.get(environment__slug="development")
Run.objects.all().delete()
run = Run.objects.create(
    stack=stack, operation="update", status="running", requested_by="test",
    host=socket.gethostname(), pid=process.pid, start_ticks=process.start_ticks,
)
print(run.pk)
"""


@pytest.fixture
def run_under_way():
    """A row of a run whose process is a sleeping one of ours: `start(stack)` gives both."""
    processes = []

    def start(stack):
        process = subprocess.Popen(["sleep", "300"], start_new_session=True)
        processes.append(process)
        made = subprocess.run(
            [sys.executable, "-c", RUN, str(process.pid)],
            env={**stack.place.settings, **stack.place.environment()},
            cwd=stack.place.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        return process, made.stdout.strip()

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_ctrl_c_waits_for_a_run_under_way_until_its_process_ends(home, run_under_way):
    with run_stack(home) as stack:
        stack.wait_for(READY, 60)
        process, run = run_under_way(stack)
        stack.interrupt()
        stack.wait_for(f"s for run {run} (update of development, running)", 60)
        assert stack.process.poll() is None
        assert "web" in programs(stack)
        process.kill()
        process.wait()
        assert stack.process.wait(60) == 0
        stack.wait_for("no process is left", 5)


def test_a_second_ctrl_c_leaves_the_run_and_stops_the_rest(home, run_under_way):
    with run_stack(home) as stack:
        stack.wait_for(READY, 60)
        process, run = run_under_way(stack)
        stack.interrupt()
        stack.wait_for(f"s for run {run} (", 60)
        stack.interrupt()
        assert stack.process.wait(60) == 0
        stack.wait_for("left under way; they end by themselves", 5)
        assert process.poll() is None
        assert processes_of(home) == []


def test_a_start_that_cannot_serve_says_why_and_leaves_nothing(tmp_path):
    home = tmp_path / "h"
    with run_stack(home, DATABASE_URL="postgres://nobody:x@127.0.0.1:1/none") as stack:
        assert stack.process.wait(120) == 2
        stack.wait_for("The database could not be prepared", 5)
        assert "What to do" in stack.text
    assert processes_of(home) == []
