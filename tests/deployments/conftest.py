"""Runs carried out with a twin of the engine host, in threads and processes of their own."""

import json
import os
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from apps.accounts.actors import actor_for_user
from apps.deployments import engine, hints, services
from apps.deployments.models import Deployment, Run
from apps.deployments.processes import host_name
from apps.deployments.runner import claim
from apps.deployments.runner.execution import execute
from apps.environments.models import Setting
from apps.environments.schema import kind_of
from tests.conftest import make_environment, person

# Enough for a validation to pass.
DECLARED = {
    "database": {"kind": "sqlite", "path": "{home}/database.sqlite3"},
    "mcp_enabled": False,
    "mcp": {"servers": []},
    "monitoring": {},
}
URN = "urn:pulumi:development::orchestra::orchestra:mcp:Server::memory-0"
PENDING = [{"urn": URN, "type": "orchestra:mcp:Server", "operation": "creating"}]
LOCK = {"name": "a", "pid": 1, "hostname": host_name(), "username": "portal"}
ROOT = Path(__file__).resolve().parents[2]
FAKE = [sys.executable, str(Path(__file__).with_name("fake_host.py"))]


@pytest.fixture
def hinted(monkeypatch):
    """Runs that the workers were told of; no worker hears it."""
    told = []
    monkeypatch.setattr(hints.start_run, "delay", told.append)
    return told


@pytest.fixture
def fake_host(monkeypatch, settings, tmp_path):
    """The twin in the host's place, and a quick keeper."""
    monkeypatch.setattr(engine, "HOST_COMMAND", tuple(FAKE))
    monkeypatch.setattr("apps.deployments.runner.keeper.TICK", 0.05)
    settings.ORCHESTRA_HOME = tmp_path
    settings.RUN_CANCEL_GRACE = 1


@pytest.fixture
def world(transactional_db, hinted, fake_host):
    """Development without rules, an operator, and rows that threads can see."""
    return World()


def declare(environment):
    """What a validation asks for."""
    for key, value in DECLARED.items():
        kind = kind_of(key, value)
        Setting.objects.create(environment=environment, key=key, kind=kind, value=value)


class World:
    """One environment and the short way through its deployments."""

    def __init__(self):
        self.environment = make_environment("development", "development", 10, "teal")
        self.olga = actor_for_user(person("olga", "operator"))
        declare(self.environment)

    def wish(self, **keys):
        """What the twin shall do from now on."""
        (Path(settings.ORCHESTRA_HOME) / "fake.json").write_text(json.dumps(keys))
        Setting.objects.update_or_create(
            environment=self.environment,
            key="fake",
            defaults={"kind": "structure", "value": keys},
        )

    def request(self, **keys):
        return services.request_deployment(self.olga, environment="development", **keys)

    def carry_out(self, deployment):
        """The deployment's queued run, from claim to end, in this process."""
        run = deployment.runs.get(status="queued")
        assert claim.claim(run.pk) is not None
        # `execute` narrows the file mode for its process; here that is the test's own.
        mask = os.umask(0o022)
        try:
            execute(run.pk)
        finally:
            os.umask(mask)
        run.refresh_from_db()
        return run

    def planned(self, **keys):
        deployment = self.request(**keys)
        self.carry_out(deployment)
        deployment.refresh_from_db()
        return deployment

    def applied(self, **keys):
        deployment = self.planned(**keys)
        self.approve(deployment)
        self.carry_out(deployment)
        deployment.refresh_from_db()
        return deployment

    def approve(self, deployment, **keys):
        return services.approve_deployment(
            self.olga, deployment=deployment.pk, fingerprint=deployment.fingerprint, **keys
        )

    def fresh(self, row):
        return type(row).objects.get(pk=row.pk)


@pytest.fixture
def real(transactional_db, hinted, settings, tmp_path):
    """Development with a database and monitoring files, with the real host, engine and files."""
    settings.ORCHESTRA_HOME = tmp_path / "home"
    settings.PULUMI_ROOT = str(ROOT / "infra" / "embedded_engine")
    settings.PULUMI_BACKEND_URL = f"file://{tmp_path}/state"
    settings.PULUMI_PASSPHRASE_FILE = str(tmp_path / "passphrase")
    settings.ORCHESTRA_HOME.mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "passphrase").write_text("a passphrase of tests")
    world = World()
    values = {
        "database": {"kind": "sqlite", "path": str(tmp_path / "platform.sqlite3")},
        "mcp_enabled": False,
        "monitoring": {
            "prometheus": True,
            "directory": str(tmp_path / "monitoring"),
            "portal_url": "http://127.0.0.1:8100",
        },
    }
    for key, value in values.items():
        kind = "flag" if isinstance(value, bool) else "structure"
        Setting.objects.update_or_create(
            environment=world.environment, key=key, defaults={"kind": kind, "value": value}
        )
    return world


@pytest.fixture
def lost(world):
    """A deployment whose update was killed in the middle of a create."""
    world.wish(die=True)
    deployment = world.planned()
    world.approve(deployment)
    run = world.carry_out(deployment)
    assert run.status == "lost"
    Run.objects.filter(pk=run.pk).update(engine_pid=1, boot_id="before the last boot")
    deployment.refresh_from_db()
    assert deployment.status == "needs_recovery"
    world.wish(inspect={"pending_operations": PENDING, "locks": [LOCK]}, inspected={"version": 3})
    return deployment


def in_thread(function, *arguments):
    """Calls it and closes the thread's connection."""
    try:
        return function(*arguments)
    finally:
        connection.close()


__all__ = ["Deployment", "Run", "World", "declare", "in_thread"]
