"""Right before a change, with the real host and engine: what moved behind the portal's back."""

import dataclasses
import json

import pytest

from apps.deployments.engine import call_host
from apps.deployments.keeping import configuration_for
from apps.deployments.models import EnginePlan
from apps.deployments.runner.requests import run_request
from apps.environments.models import Setting

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def declare_monitoring(world, **keys):
    row = Setting.objects.get(environment=world.environment, key="monitoring")
    Setting.objects.filter(pk=row.pk).update(value={**row.value, **keys})


def update_by_hand(row, folder):
    """Another update through the automation API, of which the portal knows nothing."""
    run = row.runs.get(status="queued")
    request = run_request(run, configuration_for(run), folder)
    config = dict(request.config)
    config["orchestra:monitoring"] = {
        "value": {**config["orchestra:monitoring"]["value"], "scrape_interval": "31s"},
        "secret": False,
    }
    (folder / "by-hand").mkdir()
    _, result = call_host(
        dataclasses.replace(request, plan=None, config=config, work_dir=folder / "by-hand")
    )
    assert result["outcome"] == "succeeded", result


def edit_state(_row, folder):
    """The state's own file, with an editor."""
    (path,) = (folder / "state").rglob("development.json")
    document = json.loads(path.read_text())
    resource = next(
        entry
        for entry in document["checkpoint"]["latest"]["resources"]
        if entry["type"].startswith("orchestra:monitoring:")
    )
    resource["outputs"]["digest"] = "edited"
    path.write_text(json.dumps(document))


def edit_plan(row, _folder):
    kept = EnginePlan.objects.filter(run__deployment=row).latest("run_id")
    urn = next(name for name in kept.document["resourcePlans"] if "Database" in name)
    kept.document["resourcePlans"][urn]["steps"] = ["delete"]
    kept.save()


def things(folder):
    """Every rendered file, and the database's, with its text."""
    places = [folder / "platform.sqlite3", *(folder / "monitoring").rglob("*")]
    return {path: path.read_bytes() for path in places if path.is_file()}


@pytest.mark.parametrize(
    ("move", "part"),
    [(update_by_hand, "State"), (edit_state, "State"), (edit_plan, "Plan")],
)
def test_what_moved_behind_the_portals_back_is_named_and_nothing_is_mutated(
    real, tmp_path, move, part
):
    first = real.planned()
    real.approve(first)
    assert real.carry_out(first).status == "succeeded"
    declare_monitoring(real, scrape_interval="44s")
    row = real.planned()
    assert row.plan["summary"]["update"] >= 1
    real.approve(row)
    move(row, tmp_path)
    before = things(tmp_path)
    state = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*.json")}
    run = real.carry_out(row)
    row.refresh_from_db()
    assert (run.status, row.status, row.status_code) == ("canceled", "stale", "fingerprint.moved")
    assert row.status_reason.startswith(f"Nothing was applied: {part} was ")
    assert "; " not in row.status_reason
    assert things(tmp_path) == before
    assert {path: path.read_bytes() for path in (tmp_path / "state").rglob("*.json")} == state
