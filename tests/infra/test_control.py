"""Who may stop a run, and how far it goes: interrupt, interrupt again, kill."""

import os
import queue
import subprocess
import sys
import threading
import time

from infra.engine_host import control
from infra.engine_host.control import Stopper
from infra.engine_host.output import LONGEST, Tail
from infra.engine_host.processes import kill_session, session_members, start_ticks


class Engine:
    """Notes what it is told; ends after a given number of interrupts."""

    def __init__(self, patience):
        self.told = []
        self.patience = patience
        self.stopper = None

    def interrupt(self):
        self.told.append("interrupt")
        if len(self.told) == self.patience:
            self.stopper.finish()

    def kill(self):
        self.told.append("kill")
        self.stopper.finish()


def _stopper(patience, monkeypatch):
    monkeypatch.setattr(control, "LAST_WAIT", 0.05)
    stopper, engine = Stopper(0.05), Engine(patience)
    engine.stopper = stopper
    stopper.attach(engine)
    return stopper, engine


class Lines:
    """Standard input of a host, fed by the test."""

    def __init__(self):
        self.queue = queue.Queue()

    def __iter__(self):
        return iter(self.queue.get, None)


def _wait(predicate):
    ends = time.monotonic() + 5
    while not predicate():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_each_cancel_line_is_one_interrupt_and_nothing_more(monkeypatch):
    stopper, engine = _stopper(9, monkeypatch)
    lines = Lines()
    stopper.watch_control(lines)
    for line in (
        '{"control": "cancel"}\n',
        "not json\n",
        '{"control": "dance"}\n',
        "[]\n",
        '{"control": "cancel"}\n',
    ):
        lines.queue.put(line)
    _wait(lambda: len(engine.told) == 2)
    assert (engine.told, stopper.reason) == (["interrupt"] * 2, "canceled")
    stopper.finish()
    lines.queue.put(None)


def test_the_end_of_the_control_lines_goes_all_the_way(monkeypatch):
    stopper, engine = _stopper(9, monkeypatch)
    lines = Lines()
    lines.queue.put(None)
    stopper.watch_control(lines)
    _wait(lambda: "kill" in engine.told)
    assert (engine.told, stopper.reason) == (["interrupt", "interrupt", "kill"], "abandoned")


def test_a_time_limit_stops_at_the_first_interrupt_that_works(monkeypatch):
    stopper, engine = _stopper(1, monkeypatch)
    stopper.watch_time(0.01)
    _wait(lambda: engine.told)
    time.sleep(0.2)
    assert (engine.told, stopper.reason) == (["interrupt"], "time_limit")


def test_a_finished_run_is_not_signalled(monkeypatch):
    stopper, engine = _stopper(9, monkeypatch)
    stopper.watch_time(0.05)
    stopper.finish()
    lines = Lines()
    lines.queue.put(None)
    stopper.watch_control(lines)
    time.sleep(0.2)
    assert (engine.told, stopper.reason) == ([], None)


def test_a_cancel_that_came_before_the_engine_counts(monkeypatch):
    stopper = Stopper(0.05)
    lines = Lines()
    stopper.watch_control(lines)
    lines.queue.put('{"control": "cancel"}')
    _wait(lambda: stopper.reason)
    engine = Engine(1)
    engine.stopper = stopper
    stopper.attach(engine)
    assert engine.told == ["interrupt"]
    lines.queue.put(None)


def test_a_session_is_killed_with_the_groups_inside_it():
    script = "import subprocess, time, os\n"
    script += "subprocess.Popen(['/bin/sleep', '60'], process_group=0); print(1, flush=True)\n"
    script += "time.sleep(60)"
    leader = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    leader.stdout.readline()
    assert len(session_members(leader.pid)) == 2
    kill_session(leader.pid)
    leader.communicate()
    _wait(lambda: session_members(leader.pid) == [])


def test_start_ticks_name_a_process_for_good():
    assert start_ticks(os.getpid()) == start_ticks(os.getpid()) > 0
    assert start_ticks(2**22 + 1) is None


def test_a_tail_reports_whole_lines_and_at_its_end_the_rest(tmp_path):
    path, seen = tmp_path / "log", []
    path.write_bytes(b"from before\n")
    tail = Tail(path, seen.append)
    with path.open("ab") as stream:
        stream.write("eins ✓\nzw".encode())
        stream.flush()
        _wait(lambda: seen)
        stream.write(b"ei\n\xff\n")
        stream.flush()
        stream.write(b"x" * (LONGEST + 10))
    tail.finish()
    assert "\n".join(seen).startswith("eins ✓\nzwei\n\ufffd")
    assert sum(text.count("x") for text in seen) == LONGEST + 10


def test_threads_of_the_stopper_do_not_keep_a_host_alive():
    stopper = Stopper(1)
    stopper.watch_time(60)
    assert all(t.daemon for t in threading.enumerate() if t.name in ("time-limit", "control"))
    stopper.finish()
