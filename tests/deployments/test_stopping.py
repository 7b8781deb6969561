"""Cancel, kill, pause: real processes, and what is said of them afterwards."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from apps.core.errors import Refused
from apps.deployments import services
from apps.deployments.models import Deployment, Run, RunEvent
from apps.deployments.processes import is_alive
from apps.deployments.runner import claim, line, sweep
from tests.deployments.conftest import in_thread

RUNNER = str(Path(__file__).with_name("run_process.py"))


def until(look, limit=20.0):
    """The first true answer of `look`."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail("it did not happen in time")


@pytest.fixture
def spawned(world, tmp_path, settings):
    """Starts a claimed run in a process of its own; all of them are ended with the test."""
    processes = []

    def start(deployment):
        run = deployment.runs.get(status="queued")
        assert claim.claim(run.pk)
        environment = {
            **os.environ,
            "ORCHESTRA_HOME": str(tmp_path),
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            # Part of the configuration, so part of the fingerprint.
            "SUPERVISOR_SOCKET": settings.SUPERVISOR_SOCKET,
            "SUPERVISOR_INCLUDE": settings.SUPERVISOR_INCLUDE,
            "PORTAL_RUN_GRACE": "1",
            "PORTAL_RUN_LEASE": "2",
            "PORTAL_RUN_RENEW": "1",
        }
        with (tmp_path / "run_process.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, RUNNER, str(run.pk)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        processes.append(process)
        until(lambda: Run.objects.get(pk=run.pk).host_pid)
        until(lambda: RunEvent.objects.filter(run=run, kind="resource_done").exists())
        return process, Run.objects.get(pk=run.pk)

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


@pytest.fixture
def under_way(world, spawned):
    """An update that waits inside the twin, in a process of its own."""
    world.wish(sleep=60)
    deployment = world.planned()
    world.approve(deployment)
    process, run = spawned(deployment)
    return deployment, process, run


def test_cancel_reaches_the_host_and_canceled_is_said_when_it_is_gone(world):
    world.wish(sleep=60)
    deployment = world.planned()
    world.approve(deployment)
    worker = threading.Thread(target=in_thread, args=(world.carry_out, deployment))
    worker.start()
    run = deployment.runs.get(operation="update")
    until(lambda: world.fresh(run).host_pid)
    services.cancel_deployment(world.olga, deployment=deployment.pk)
    assert world.fresh(run).status == "canceling"
    worker.join(20)
    run.refresh_from_db()
    deployment.refresh_from_db()
    assert (run.status, deployment.status) == ("canceled", "canceled")
    assert not is_alive(run.host_pid, run.host_start_ticks)


@pytest.mark.slow
def test_a_killed_run_process_is_lost_and_never_shown_as_done(world, under_way, settings):
    deployment, process, run = under_way
    process.kill()
    process.wait()
    until(lambda: not is_alive(run.host_pid, run.host_start_ticks))
    settings.RUN_LEASE_SECONDS = 1
    time.sleep(1.2)
    assert sweep.sweep()["lost"] == 1
    run.refresh_from_db()
    deployment.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("lost", "run.lost")
    # The state was read back in the same sweep: nothing is pending, so the next one works.
    assert deployment.status == "failed"
    assert "no operation" in deployment.status_reason
    assert world.request().status == "planning"


@pytest.mark.slow
def test_a_lost_run_with_pending_operations_waits_for_a_person(world, under_way, settings):
    deployment, process, run = under_way
    world.wish(pending=[{"urn": "urn:a::b::c::memory", "type": "c", "operation": "creating"}])
    process.kill()
    process.wait()
    until(lambda: not is_alive(run.host_pid, run.host_start_ticks))
    settings.RUN_LEASE_SECONDS = 1
    time.sleep(1.2)
    sweep.sweep()
    deployment.refresh_from_db()
    assert deployment.status == "needs_recovery"
    assert "memory" in deployment.status_reason
    behind = world.request()
    assert line.ahead_of(behind) == [deployment]
    world.wish()
    services.recover_deployment(world.olga, deployment=deployment.pk)
    assert world.carry_out(deployment).operation == "refresh"
    deployment.refresh_from_db()
    assert deployment.status == "planning"
    world.carry_out(deployment)
    assert world.fresh(deployment).status == "awaiting_approval"


@pytest.mark.slow
def test_a_run_process_that_slept_past_its_lease_changes_nothing(world, under_way, settings):
    deployment, process, run = under_way
    process.send_signal(signal.SIGSTOP)
    settings.RUN_LEASE_SECONDS = 1
    time.sleep(1.5)
    assert sweep.sweep()["lost"] == 1
    assert world.fresh(deployment).status == "needs_recovery"
    with pytest.raises(Refused) as caught:
        services.recover_deployment(world.olga, deployment=deployment.pk)
    assert caught.value.code == "run.alive"
    before = (world.fresh(run).last_sequence, RunEvent.objects.filter(run=run).count())
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0
    run.refresh_from_db()
    assert run.status == "lost"
    assert (run.last_sequence, RunEvent.objects.filter(run=run).count()) == before
    assert not is_alive(run.host_pid, run.host_start_ticks)


@pytest.mark.slow
def test_a_killed_host_ends_the_run_with_a_reason(world, under_way):
    deployment, process, run = under_way
    os.kill(run.host_pid, signal.SIGKILL)
    assert process.wait(20) == 0
    run.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("lost", "host.killed")
    assert world.fresh(deployment).status_next_step


@pytest.mark.slow
def test_a_database_locked_for_a_while_is_survived(world, spawned):
    world.wish(sleep=3)
    deployment = world.planned()
    world.approve(deployment)
    process, run = spawned(deployment)
    import sqlite3

    locker = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    time.sleep(5)
    locker.execute("ROLLBACK")
    locker.close()
    assert process.wait(40) == 0
    run.refresh_from_db()
    assert run.status == "succeeded"
    numbers = list(run.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, run.last_sequence + 1))
    assert Deployment.objects.get().status == "verifying"


def test_a_run_without_a_process_ends_without_harm(world, settings):
    run = world.request().runs.get()
    claim.claim(run.pk)
    settings.RUN_LEASE_SECONDS = 0
    time.sleep(0.01)
    assert sweep.sweep()["lost"] == 1
    assert world.fresh(run).exit_message_id == "run.not_started"
    assert Deployment.objects.get().status == "failed"
    assert world.request().status == "planning"


def test_a_lost_hint_is_made_good(world, monkeypatch):
    run = world.request().runs.get()
    started = []
    monkeypatch.setattr(claim, "spawn", started.append)
    assert sweep.sweep()["started"] == 0
    monkeypatch.setattr(sweep, "HINT_AGE", sweep.timedelta(0))
    assert sweep.sweep()["started"] == 1
    assert started == [run]
