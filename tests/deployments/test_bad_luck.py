"""A database that is locked, a disk that is full: every door says so, and the next one works."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from apps.accounts.services import create_token
from apps.deployments import engine
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import pump
from tests.deployments.conftest import in_thread

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def locked():
    """Another process's write lock on the portal's database."""
    locker = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        locker.execute("ROLLBACK")
        locker.close()


@pytest.fixture
def impatient(world):
    """A database that is waited for a fifth of a second, as by a portal with that setting."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 200")
    yield world
    connection.close()


@pytest.fixture
def olgas(world):
    """Her browser, and a program with her token."""
    browser = Client(raise_request_exception=False)
    user = get_user_model().objects.get(pk=world.olga.user_id)
    browser.force_login(user)
    _, text = create_token(actor=world.olga, user=user, name="ci")
    program = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {text}"})
    return browser, program


def ask(program):
    return program.post(
        "/api/v1/deployments/", {"environment": "development"}, content_type="application/json"
    )


@pytest.mark.slow
def test_a_locked_database_is_told_at_every_door_and_the_next_request_works(impatient, olgas):
    browser, program = olgas
    with locked():
        answer = ask(program)
        page = browser.post("/admin/deployments/deployment/deploy/development/", {"reason": "x"})
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PORTAL_SQLITE_TIMEOUT": "1",
        }
        command = subprocess.run(
            [sys.executable, "manage.py", "deploy", "development", "--as", "olga"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.status_code == 503
    assert answer.json()["code"] == "database.locked"
    assert answer["Retry-After"] == "10"
    assert page.status_code == 503
    assert "Nothing was changed" in page.content.decode()
    assert command.returncode == 1
    assert "locked for too long. Nothing was changed." in command.stderr
    assert "Traceback" not in command.stderr
    assert not Deployment.objects.exists()
    assert ask(program).status_code == 201


@pytest.mark.slow
def test_a_request_and_a_run_outlast_a_database_locked_for_twenty_seconds(world, olgas):
    world.wish(sleep=3)
    deployment = world.planned()
    world.approve(deployment)
    runner = threading.Thread(target=in_thread, args=(world.carry_out, deployment))
    runner.start()
    deadline = time.monotonic() + 20
    while not Run.objects.filter(operation="update", host_pid__gt=0).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    statuses = []
    with locked():
        person = threading.Thread(
            target=in_thread, args=(lambda: statuses.append(ask(olgas[1]).status_code),)
        )
        person.start()
        time.sleep(20)
        assert statuses == []
    person.join(40)
    runner.join(60)
    run = deployment.runs.get(operation="update")
    # Nobody else was there to take the lease: what the twin did counts.
    assert (run.status, world.fresh(deployment).status) == ("succeeded", "verifying")
    numbers = list(run.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, run.last_sequence + 1))
    assert statuses[0] in (201, 409)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of eight megabytes that can really be full; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place):
    """Every byte of it."""
    with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.engine
def test_a_run_that_cannot_begin_for_a_full_disk_says_so_and_the_next_works(
    world, small_disk, settings, monkeypatch
):
    settings.ORCHESTRA_HOME = small_disk
    fill(small_disk)
    deployment = world.request()
    with monkeypatch.context() as real:
        real.setattr(engine, "HOST_COMMAND", (sys.executable, "-m", "infra.engine_host"))
        run = world.carry_out(deployment)
    assert (run.status, run.exit_message_id) == ("errored", "disk.full")
    assert "Free space" in world.fresh(deployment).status_next_step
    (small_disk / "filler").unlink()
    assert world.planned().status == "awaiting_approval"


@pytest.fixture
def filling(small_disk, settings, monkeypatch):
    """The portal's folder on that disk, which fills up when the next run has begun."""
    settings.ORCHESTRA_HOME = small_disk

    class Filling(pump.Spool):
        def __init__(self, path):
            super().__init__(path)
            fill(small_disk)

    return lambda: monkeypatch.setattr("apps.deployments.runner.execution.Spool", Filling)


def test_a_host_that_died_on_a_full_disk_is_told_with_the_likely_cause(world, filling):
    world.wish(die=True)
    deployment = world.planned()
    world.approve(deployment)
    filling()
    run = world.carry_out(deployment)
    assert (run.status, run.exit_message_id) == ("lost", "disk.full")
    assert "The disk of ORCHESTRA_HOME is full." in run.exit_reason


def test_a_disk_that_fills_during_an_update_costs_no_event_and_no_word(world, filling):
    world.wish(resources=200)
    deployment = world.planned()
    world.approve(deployment)
    filling()
    run = world.carry_out(deployment)
    # The files are an aid; the database, on a disk of its own, has every line and the outcome.
    assert run.status == "succeeded", run.exit_reason
    assert run.events.filter(kind="resource_done").count() == 200
    assert run.events.count() == run.last_sequence


@pytest.mark.slow
def test_a_database_on_a_full_disk_is_told_and_nothing_is_half_done(small_disk):
    home = small_disk / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "ORCHESTRA_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home / 'portal.sqlite3'}",
    }

    def manage(*words):
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    fill(small_disk)
    done = manage("migrate", "--verbosity", "0")
    assert done.returncode == 1
    assert "disk of the database is full" in done.stderr
    assert "Traceback" not in done.stderr
    (small_disk / "filler").unlink()
    assert manage("migrate", "--verbosity", "0").returncode == 0
    fill(small_disk)
    seeded = manage("seed")
    assert seeded.returncode == 1
    assert "Nothing was changed" in seeded.stderr
    (small_disk / "filler").unlink()
    assert manage("seed").returncode == 0
