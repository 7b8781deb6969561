"""
A run is killed at many points, with the real engine, provider and processes. After each, the portal
comes to a true end by itself or with one recovery, and `assert_world` holds.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from apps.audit.models import AuditEvent
from apps.deployments import engine, services
from apps.deployments.choices import RUN_TERMINAL
from apps.deployments.engine import call_host
from apps.deployments.models import Deployment, Lease, Run
from apps.deployments.processes import is_alive
from apps.deployments.runner import claim, sweep
from apps.deployments.runner.requests import service_request
from apps.environments.models import Setting
from apps.environments.schema import kind_of
from tests.deployments.conftest import World

HERE = Path(__file__).parent
RUNNER, HOST = str(HERE / "run_process.py"), str(HERE / "killing_host.py")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SETTINGS = {
    "database": {"kind": "sqlite", "path": "{home}/database.sqlite3"},
    "mcp_enabled": False,
    "mcp": {"servers": [], "bridge": {"package": "mcp-proxy", "version": "6.7.19"}},
    "monitoring": {
        "prometheus": True,
        "alertmanager": True,
        "grafana": True,
        "directory": "{home}/monitoring",
        "scrape_interval": "15s",
        "routes": [],
    },
}
# The line of the host after which the victim dies: 1 is `hello`, 2 `engine`, then events.
POINTS = [
    *(("update", line, "run") for line in (1, 2, 4, 9, 16, 25, "last")),
    *(("update", line, "host") for line in (1, 5, 12, 20)),
    *(("update", line, "engine") for line in (2, 6, 10, 15, 21, 29)),
    *(("destroy", line, "run") for line in (2, 12, "last")),
    *(("destroy", line, "engine") for line in (8, 16)),
    *(("preview", line, "run") for line in (2, 9)),
    ("preview", 9, "engine"),
]


class Attacked(World):
    """Development with a database and monitoring files, each run in a process of its own."""

    def __init__(self, home):
        super().__init__()
        self.home = home
        self.place = home / "environments" / "development"
        self.ledger = home / "ledger.ndjson"
        self.wish_file = home / "wish.json"
        self.spare()
        for key, value in SETTINGS.items():
            Setting.objects.update_or_create(
                environment=self.environment,
                key=key,
                defaults={"kind": kind_of(key, value), "value": value},
            )

    def spare(self):
        """Nobody is killed from now on."""
        self.kill_at(None, 0, "")

    def kill_at(self, operation, line, victim):
        wish = {"operation": operation, "line": line, "victim": victim, "ledger": str(self.ledger)}
        self.wish_file.write_text(json.dumps(wish))

    @property
    def struck(self):
        return json.loads(self.wish_file.read_text()).get("struck")

    def carry_out(self, deployment):
        """The queued run in a process of its own, from claim to its end, whatever end that is."""
        run = deployment.runs.get(status="queued")
        assert claim.claim(run.pk) is not None
        with (self.home / "run_process.log").open("ab") as output:
            subprocess.run(
                [sys.executable, RUNNER, str(run.pk), HOST, str(self.wish_file)],
                env=self.surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=False,
            )
        run.refresh_from_db()
        return run

    def surroundings(self):
        return {
            **os.environ,
            "ORCHESTRA_HOME": str(self.home),
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            "PULUMI_BACKEND_URL": f"file://{self.home}/state",
            "PULUMI_PASSPHRASE_FILE": str(self.home / "passphrase"),
            "PORTAL_RUN_GRACE": "2",
        }

    def calm(self):
        """What the sweeper does until nothing is left to do: it runs every few seconds."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            sweep.sweep()
            waiting = Run.objects.exclude(status__in=RUN_TERMINAL).exclude(status="queued")
            if not waiting.exists() and not any(map(living, Run.objects.all())):
                sweep.sweep()
                return
            time.sleep(0.2)
        pytest.fail(f"not calm: {list(Run.objects.values_list('pk', 'operation', 'status'))}")


def living(run):
    pairs = (
        (run.pid, run.start_ticks),
        (run.host_pid, run.host_start_ticks),
        (run.engine_pid, run.engine_start_ticks),
    )
    return any(pid and is_alive(pid, ticks) for pid, ticks in pairs)


@pytest.fixture
def attacked(transactional_db, hinted, tmp_path, settings, monkeypatch):
    settings.ORCHESTRA_HOME = tmp_path
    settings.PULUMI_BACKEND_URL = f"file://{tmp_path}/state"
    settings.PULUMI_PASSPHRASE_FILE = str(tmp_path / "passphrase")
    # What a test kills is found at once; who is alive ends long before.
    settings.RUN_LEASE_SECONDS = 0
    (tmp_path / "passphrase").write_text("correct horse battery")
    (tmp_path / "state").mkdir()
    world = Attacked(tmp_path)
    monkeypatch.setattr(engine, "HOST_COMMAND", (sys.executable, HOST, str(world.wish_file)))
    return world


def recorded(world):
    """State of the stack as the engine has it: (paths of its files, pending operations)."""
    run = Run.objects.order_by("pk").last()
    _, found = call_host(service_request(run, "inspect", world.home / "inspect"))
    resources = (found["state"] or {}).get("deployment", {}).get("resources") or []
    paths = {r["outputs"]["path"] for r in resources if "path" in (r.get("outputs") or {})}
    return paths, found


def existing(world):
    """The real things: each file in the environment's folder, companions under its own name."""
    return {str(of_companion(path)) for path in world.place.rglob("*") if path.is_file()}


def of_companion(path):
    """`.x.yml.owner` says whose `x.yml` is; `-wal` and `-shm` are SQLite's own."""
    if path.suffix == ".owner":
        return path.with_name(path.stem.removeprefix("."))
    return path.with_name(path.name.removesuffix("-wal").removesuffix("-shm"))


def assert_world(world):
    """What must hold after any accident, once the portal has come to rest."""
    paths, found = recorded(world)
    assert existing(world) == paths, "created things and the state are the same set"
    assert found["pending_operations"] == []
    assert found["locks"] == []
    begun = [json.loads(line) for line in world.ledger.read_text().splitlines()]
    assert [row for row in begun if row["others"]] == [], "two engines on one stack"
    assert not any(map(living, Run.objects.all())), "a process is left"
    assert not Lease.objects.filter(run__isnull=False).exists()
    for run in Run.objects.all():
        assert run.status in RUN_TERMINAL
        numbers = list(run.events.order_by("sequence").values_list("sequence", flat=True))
        assert numbers == list(range(1, run.last_sequence + 1))
        rows = AuditEvent.objects.filter(object_type__iendswith="run", object_id=str(run.pk))
        assert rows.exists(), f"no audit row tells of run {run.pk} ({run.operation})"
    for deployment in Deployment.objects.all():
        operations = list(deployment.runs.values_list("operation", flat=True))
        assert sum(kind in ("update", "destroy") for kind in operations) <= 1
        if deployment.status in ("failed", "needs_recovery"):
            assert deployment.status_reason
            assert deployment.status_next_step


def came_through(world, deployment):
    """Recovers where the portal asks for it, and gives the deployment's settled row."""
    world.calm()
    row = world.fresh(deployment)
    if row.status == "needs_recovery":
        services.recover_deployment(world.olga, deployment=row.pk)
        refreshed = world.carry_out(row)
        assert refreshed.status == "succeeded", refreshed.exit_reason
        row = world.fresh(row)
        if row.runs.filter(status="queued").exists():
            assert world.carry_out(row).status == "succeeded"
            services.cancel_deployment(world.olga, deployment=row.pk)
    return world.fresh(row)


@pytest.mark.parametrize(("operation", "line", "victim"), POINTS)
def test_whoever_dies_the_world_is_told_as_it_is(attacked, operation, line, victim):
    world = attacked
    kind = "deploy"
    if operation == "destroy":
        kind = "destroy"
        assert world.applied().status in ("verifying", "succeeded", "unchanged")
        world.calm()
    world.kill_at(operation, line, victim)
    deployment = world.planned(kind=kind)
    if operation != "preview":
        keys = {"confirm": "development"} if kind == "destroy" else {}
        world.approve(deployment, **keys)
        world.carry_out(deployment)
    assert world.struck, "nobody was killed: the point does not exist"
    run = deployment.runs.filter(operation=operation).first()
    row = came_through(world, deployment)
    run.refresh_from_db()
    if victim != "run" or line != "last":
        assert run.status in ("lost", "errored", "failed", "canceled"), run.status
        assert row.status not in ("succeeded", "verifying", "unchanged"), row.status
    # The next one works, and then everything is there (or gone).
    following = world.planned(kind=kind)
    if following.status == "awaiting_approval":
        keys = {"confirm": "development"} if kind == "destroy" else {}
        world.approve(following, **keys)
        assert world.carry_out(following).status == "succeeded"
    world.calm()
    assert_world(world)
    assert bool(existing(world)) == (kind == "deploy")
