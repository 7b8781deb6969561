"""What a create left behind whose record was lost is adopted by its id, at every door."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.deployments import ladder, services
from apps.deployments.models import Deployment, Run
from tests.conftest import person
from tests.deployments.conftest import PENDING, URN

IDS = {URN: "127.0.0.1:8003"}


@pytest.fixture
def creating(world, lost):
    """A recovery whose real things were read back; one create is left that nobody finished."""
    services.look_at_state(world.olga, deployment=lost.pk)
    services.remove_lock(world.olga, deployment=lost.pk)
    world.wish(pending=PENDING)
    services.read_back(world.olga, deployment=lost.pk)
    world.carry_out(lost)
    world.wish()
    return world.fresh(lost)


def adopt(actor, row, ids=IDS, confirm="development"):
    return services.adopt_pending_creates(actor, deployment=row.pk, ids=ids, confirm=confirm)


def asked(run):
    return json.loads((Path(settings.ORCHESTRA_HOME) / "asked" / f"{run.pk}.json").read_text())


def test_the_id_goes_to_the_host_with_a_refresh_and_into_the_record(world, creating):
    adopt(world.olga, creating, {URN: " 127.0.0.1:8003 "})
    run = world.carry_out(creating)
    assert (run.operation, run.status) == ("refresh", "succeeded")
    assert asked(run)["adopt"] == IDS
    assert asked(run)["clear_pending_creates"] is True
    told = AuditEvent.objects.get(event="deployments.recovery.adoption_asked")
    assert (told.actor_name, told.detail["adopt"]) == ("olga", IDS)
    [step] = [step for step in ladder.steps(world.fresh(creating)) if step.is_open]
    assert step.name == "plan"


def test_it_needs_a_right_a_typed_name_an_id_and_something_to_adopt(world, creating):
    with pytest.raises(Forbidden):
        adopt(actor_for_user(person("vic", "viewer")), creating)
    for keys in ({"confirm": "dev"}, {"ids": {}}, {"ids": {URN: " "}}, {"ids": {URN: "x" * 501}}):
        with pytest.raises(Invalid):
            adopt(world.olga, creating, **keys)
    with pytest.raises(Refused) as caught:
        adopt(world.olga, creating, {URN.replace("memory-0", "other"): "1"})
    assert (caught.value.code, "other" in caught.value.detail) == ("adopt.unknown", True)
    assert not Run.objects.filter(status="queued").exists()


def test_the_page_asks_for_the_id_of_each(world, creating):
    browser = Client()
    browser.force_login(person("ada", "admin"))
    place = f"/admin/deployments/deployment/{creating.pk}/"
    page = browser.get(f"{place}change/").content.decode()
    assert "Adopt by id in development" in page
    assert "Decide about pending creates" in page
    ask = browser.get(f"{place}recovery/adopt-pending-creates/").content.decode()
    assert "Id of memory-0" in ask
    assert "No real thing is made, changed or removed." in ask
    given = {"id-0": "127.0.0.1:8003", "confirm": "development"}
    assert browser.post(
        f"{place}recovery/adopt-pending-creates/", {**given, "id-0": ""}
    ).status_code
    assert not Run.objects.filter(status="queued").exists()
    assert browser.post(f"{place}recovery/adopt-pending-creates/", given).status_code == 302
    assert Run.objects.get(status="queued").parameters["adopt"] == IDS
    Deployment.objects.update(status="failed")
    Run.objects.filter(operation="refresh").delete()
    Run.objects.update(pending_operations=[])
    assert browser.get(f"{place}recovery/adopt-pending-creates/").status_code == 404


def test_rest_takes_it_and_shows_what_is_left(world, creating):
    client = APIClient()
    client.force_login(person("ada", "admin"))
    place = f"/api/v1/deployments/{creating.pk}/recovery/"
    told = client.get(place).json()["results"]
    assert told[4]["pending"][0]["urn"] == URN
    body = {"ids": IDS, "confirm": "development"}
    answer = client.post(f"{place}adopt-pending-creates/", {**body, "ids": {}}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "adopt.no_id")
    answer = client.post(f"{place}adopt-pending-creates/", body, format="json")
    assert answer.status_code == 200
    assert answer.json()["runs"][-1]["operation"] == "refresh"
    assert Run.objects.get(status="queued").parameters["adopt"] == IDS


def test_the_command_takes_the_name_of_a_resource(world, creating):
    person("ada", "admin")
    keys = {"adopt": ["memory-0=127.0.0.1:8003"], "user": "ada"}
    with pytest.raises(CommandError, match="Type development to adopt"):
        call_command("recover", "development", **keys)
    out = StringIO()
    call_command("recover", "development", confirm="development", stdout=out, **keys)
    assert f"adopting {URN}" in out.getvalue()
    assert Run.objects.get(status="queued").parameters["adopt"] == IDS


def test_a_recovery_that_keeps_them_says_what_is_left_and_what_to_do(world, lost):
    world.wish(pending=PENDING)
    services.recover_deployment(world.olga, deployment=lost.pk, clear_pending_creates=False)
    world.carry_out(lost)
    lost.refresh_from_db()
    assert (lost.status, lost.status_code) == ("needs_recovery", "state.pending_operations")
    assert "still lists creates that nobody finished" in lost.status_reason
    assert "adopt what they left behind" in lost.status_next_step


@pytest.mark.engine
@pytest.mark.slow
def test_with_the_real_engine_the_lost_record_comes_back_and_nothing_is_made_twice(real, tmp_path):
    row = real.planned()
    real.approve(row)
    run = real.carry_out(row)
    assert run.status == "succeeded"
    database = tmp_path / "platform.sqlite3"
    made = database.stat().st_ino
    (path,) = (tmp_path / "state").rglob("development.json")
    document = json.loads(path.read_text())
    latest = document["checkpoint"]["latest"]
    (entry,) = (r for r in latest["resources"] if r["type"].endswith(":SqliteDatabase"))
    latest["resources"].remove(entry)
    identity = entry.pop("id")
    del entry["outputs"]
    latest["pending_operations"] = [{"resource": entry, "type": "creating"}]
    path.write_text(json.dumps(document))
    # As the sweeper leaves a run whose processes are gone.
    Run.objects.filter(pk=run.pk).update(status="lost", boot_id="before the last boot")
    Deployment.objects.filter(pk=row.pk).update(status="needs_recovery", finished_at=None)

    services.look_at_state(real.olga, deployment=row.pk)
    services.read_back(real.olga, deployment=row.pk)
    read = real.carry_out(row)
    assert read.status == "succeeded", read.exit_reason
    (left,) = ladder.pending_creates(real.fresh(row))
    assert left["urn"] == entry["urn"]
    adopt(real.olga, row, {entry["urn"]: identity})
    adopted = real.carry_out(row)
    assert (adopted.status, adopted.pending_operations) == ("succeeded", []), adopted.exit_reason
    services.plan_after_recovery(real.olga, deployment=row.pk)
    real.carry_out(row)
    assert real.fresh(row).status == "unchanged"
    assert database.stat().st_ino == made
