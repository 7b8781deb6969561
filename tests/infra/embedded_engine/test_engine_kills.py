"""
The engine is killed at a chosen moment; afterwards every created thing is recorded or pending.

Moments inside provider calls come from the provider, which lives in the test. Moments around writes
come from a launcher that wraps the two ways of writing state and then runs the engine's script.
"""

import os
import signal
import stat
import sys
import textwrap

import pytest

from tests.infra.embedded_engine.engine_lab import EMBEDDED, ENGINE, ROOT, Entry, Lab

pytestmark = [*ENGINE, pytest.mark.slow]

NAMES = ("one", "two", "three")
WHOLE, JOURNAL = {}, {"ORCHESTRA_ENGINE_WHOLE": "0"}  # how the state is written around a step
WRITES = 16  # moments around writes that are tried: before and after each of the first eight


def chain(value, fixed="x"):
    def program():
        before = None
        for name in NAMES:
            props = {"v": value, "fixed": fixed}
            if before is not None:
                props["of"] = before.number
            before = Entry(name, props)

    return program


@pytest.fixture
def deadly(tmp_path):
    """A lab whose engine kills itself at the write whose number stands in the file `moment`."""
    launcher = tmp_path / "root" / "bin" / "pulumi"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import os, runpy, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from infra.embedded_engine import backend, journal
        moment, seen = int(open({str(tmp_path / "moment")!r}).read()), 0

        def tick():
            global seen
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

        def wrap(owner, name, wanted):
            inner = getattr(owner, name)
            def outer(*args):
                if not wanted(args):
                    return inner(*args)
                tick()
                answer = inner(*args)
                tick()
                return answer
            setattr(owner, name, outer)

        if "up" in sys.argv:
            wrap(backend, "replace_file", lambda args: args[0].name == "dev.json")
            wrap(journal.Journal, "append", lambda args: True)
        sys.argv[0] = {str(EMBEDDED / "bin" / "pulumi")!r}
        runpy.run_path(sys.argv[0], run_name="__main__")
        """)
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "moment").write_text("-1")
    lab = Lab(tmp_path, tmp_path / "root")
    lab.moment = tmp_path / "moment"
    yield lab.init()
    lab.close()


def nothing_is_lost(lab):
    """After `cancel`: each real thing is in the state under its id, or its create is pending."""
    lab.must("cancel", "--yes", "--stack", "dev")
    assert lab.locks() == []
    recorded, pending = lab.entries(), lab.pending()
    for id_ in lab.ledger.real:
        assert id_ in recorded or pending.get(id_.rsplit("-", 1)[0]) == "creating", (id_, pending)


def recovers(lab, program):
    """An operator removes what pending creates left and clears them; the update goes through."""
    recorded = lab.entries()
    for id_ in [i for i in lab.ledger.real if i not in recorded]:
        del lab.ledger.real[id_]
    refreshed = lab.refresh("--clear-pending-creates")
    assert refreshed.code == 0, refreshed.stdout + refreshed.stderr
    assert lab.pending() == {}
    done = lab.up(program)
    assert done.code == 0, done.stdout + done.stderr
    assert sorted(lab.entries()) == sorted(lab.ledger.real)
    assert sorted(i.rsplit("-", 1)[0] for i in lab.ledger.real) == sorted(NAMES)
    assert lab.up(program).changes == {"same": len(NAMES) + 1}


def kill_at(lab, method, moment, name):
    def action(called):
        if called == name:
            os.kill(lab.process.pid, signal.SIGKILL)
            lab.ended.wait(10)  # so that the engine sees nothing of the answer

    lab.ledger.on[method, moment] = action


@pytest.mark.parametrize(("name", "whole"), [*((name, WHOLE) for name in NAMES), ("two", JOURNAL)])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", ["Create", "Update", "Replace", "Delete"])
def test_a_kill_inside_a_provider_call_loses_nothing(ours, method, moment, name, whole):
    ours.env |= whole
    ours.init()
    program = chain(1)
    if method != "Create":
        assert ours.up(program).code == 0
        program = {"Update": chain(2), "Replace": chain(1, "y"), "Delete": lambda: None}[method]
    kill_at(ours, "Create" if method == "Replace" else method, moment, name)
    killed = ours.up(program)
    assert killed.code == -signal.SIGKILL
    ours.ledger.on.clear()
    nothing_is_lost(ours)
    recovers(ours, chain(3))


@pytest.mark.parametrize("whole", [WHOLE, JOURNAL], ids=["whole", "journal"])
@pytest.mark.parametrize("number", range(WRITES))
def test_a_kill_around_a_write_of_the_state_loses_nothing(deadly, number, whole):
    deadly.env |= whole
    deadly.moment.write_text(str(number))
    killed = deadly.up(chain(1))
    deadly.moment.write_text("-1")
    assert killed.code == -signal.SIGKILL, "there are fewer writes than moments that were asked for"
    nothing_is_lost(deadly)
    recovers(deadly, chain(1))


def cancel_and(lab, then):
    """While the second create is under way an operator types `cancel`; then comes the third."""

    def before(called):
        if called == "two":
            lab.must("cancel", "--yes", "--stack", "dev")

    lab.ledger.on["Create", "before"] = before
    if then is not None:
        kill_at(lab, "Create", then, "three")


@pytest.mark.parametrize("whole", [WHOLE, JOURNAL], ids=["whole", "journal"])
def test_a_canceled_lock_does_not_cost_a_live_run_its_record(ours, whole):
    ours.env |= whole
    ours.init()
    cancel_and(ours, None)
    done = ours.up(chain(1))
    assert done.code == 0, done.stdout + done.stderr
    assert sorted(ours.entries()) == sorted(ours.ledger.real)
    assert not ours.state_file.with_suffix(".journal").exists()
    ours.ledger.on.clear()
    assert ours.up(chain(1)).changes == {"same": len(NAMES) + 1}


@pytest.mark.parametrize("whole", [WHOLE, JOURNAL], ids=["whole", "journal"])
def test_a_kill_after_a_cancel_of_a_live_run_loses_nothing(ours, whole):
    ours.env |= whole
    ours.init()
    cancel_and(ours, "after")
    assert ours.up(chain(1)).code == -signal.SIGKILL
    ours.ledger.on.clear()
    assert len(ours.ledger.real) == len(NAMES)
    nothing_is_lost(ours)
    recovers(ours, chain(3))
