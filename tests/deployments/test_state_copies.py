"""A copy of the state after each run; what differs between two; writing one back."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.deployments import services, states
from apps.deployments.models import Deployment, Run, StateCopy
from apps.environments.services import set_secret
from tests.conftest import person

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def resource(name, port=8003, **more):
    return {
        "urn": f"urn:pulumi:development::orchestra::orchestra:mcp:Server::{name}",
        "type": "orchestra:mcp:Server",
        "custom": True,
        "id": name,
        "inputs": {"port": port, "token": {**SECRET, "ciphertext": f"v1:{name}:{port}"}},
        "outputs": {"port": port, "url": f"http://127.0.0.1:{port}"},
        **more,
    }


def state(*resources, **more):
    return {"version": 3, "deployment": {"resources": list(resources), **more}}


@pytest.fixture
def root(world):
    return actor_for_user(person("root", superuser=True))


@pytest.fixture
def copies(world):
    """The state after two runs: another port, one server gone, one come."""
    before = state(resource("memory"), resource("tools", 8006))
    after = state(resource("memory", 8010), resource("git", 8008))
    return [kept(world, before, "1"), kept(world, after, "2")]


def kept(world, document, digit):
    run = Run.objects.create(
        stack=world.environment.stack, operation="update", status="succeeded", requested_by="olga"
    )
    return states.keep_state(run, document, digit * 64)


def test_the_difference_names_resources_and_properties_and_no_secret(copies):
    found = states.difference_of(*copies)
    assert found["summary"] == {"create": 1, "update": 1, "replace": 0, "delete": 1, "same": 0}
    told = {change["name"]: change for change in found["changes"]}
    assert [told[name]["operation"] for name in ("tools", "memory", "git")] == [
        "delete",
        "update",
        "create",
    ]
    memory = {entry["path"]: (entry["old"], entry["new"]) for entry in told["memory"]["properties"]}
    assert memory["port"] == (8003, 8010)
    assert memory["outputs.url"] == ("http://127.0.0.1:8003", "http://127.0.0.1:8010")
    # Encrypted anew it is another text, and still the same secret.
    assert "token" not in memory
    assert "ciphertext" not in json.dumps(found)
    gone = {entry["path"]: entry["new"] for entry in told["tools"]["properties"]}
    assert gone["token"] == "secret removed"


def test_two_copies_of_one_state_do_not_differ(copies):
    assert states.difference_of(copies[0], copies[0])["changes"] == []


def test_a_secret_in_clear_is_masked(world, root):
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-clear-1")
    first = kept(world, state(), "1")
    second = kept(world, state(resource("memory", echo="x", id="canary-clear-1")), "2")
    text = json.dumps(states.difference_of(first, second))
    assert "memory" in text
    assert "canary" not in text
    assert "canary" not in json.dumps(second.document)


def test_the_oldest_copies_go_and_what_was_restored_stays(world, settings):
    settings.STATE_COPIES_KEPT = 2
    first = kept(world, state(), "1")
    Deployment.objects.create(
        environment=world.environment, kind="import", status="failed", state_copy=first
    )
    made = [kept(world, state(), digit) for digit in "234"]
    assert set(StateCopy.objects.all()) == {first, *made[1:]}


def restored(world, copies, **result):
    """A restore of the first copy, over a state as the second has it."""
    # The twin looks at the setting first, and service operations at the file.
    world.wish(inspected=states.opened_state(copies[1]), result=result)
    row = services.restore_state(world.olga, environment="development", state=copies[0].pk)
    world.carry_out(row)
    row.refresh_from_db()
    return row


def test_a_restore_is_planned_as_what_the_state_would_say_otherwise(world, copies):
    row = restored(world, copies)
    assert (row.kind, row.status) == ("import", "awaiting_approval")
    assert {change["name"]: change["operation"] for change in row.plan["changes"]} == {
        "git": "delete",
        "memory": "update",
        "tools": "create",
    }
    assert "ciphertext" not in json.dumps(row.plan)
    assert row.fingerprint_parts["operation"] == "import"
    # The plan only looked: no copy of its own.
    assert StateCopy.objects.count() == 2


def test_a_restore_needs_the_typed_name_and_writes_exactly_the_copy(world, copies, tmp_path):
    row = restored(world, copies, state_digest_after="1" * 64)
    with pytest.raises(Invalid) as caught:
        world.approve(row)
    assert caught.value.code == "confirm.mismatch"
    world.approve(row, confirm="development")
    run = world.carry_out(row)
    row.refresh_from_db()
    assert (run.operation, run.status) == ("import", "succeeded")
    assert (row.status, row.verification) == ("succeeded", "passed"), row.status_reason
    assert states.opened_state(run.state_copy) == states.opened_state(copies[0])
    assert not list(tmp_path.rglob("restore.json"))
    assert AuditEvent.objects.filter(event="deployments.restore.requested").exists()


def test_a_state_that_is_not_the_copy_afterwards_is_no_success(world, copies):
    row = restored(world, copies, state_digest_after="9" * 64)
    world.approve(row, confirm="development")
    world.carry_out(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("failed", "run.incomplete")
    assert "is not the copy" in row.status_reason


def test_a_state_that_is_the_copy_already_is_unchanged(world, copies):
    row = restored(world, [copies[1], copies[1]])
    assert row.status == "unchanged"


def test_a_state_that_moved_since_the_plan_is_not_overwritten(world, copies):
    row = restored(world, copies)
    world.approve(row, confirm="development")
    world.wish(inspected=states.opened_state(copies[1]), inspect={"state_digest_before": "8" * 64})
    world.carry_out(row)
    row.refresh_from_db()
    assert row.status == "stale"
    assert "State was" in row.status_reason


def test_a_copy_of_another_environment_is_not_there(world, copies, staging):
    with pytest.raises(NotFound):
        services.restore_state(world.olga, environment="staging", state=copies[0].pk)
    vic = actor_for_user(person("vic", "viewer"))
    with pytest.raises(Forbidden):
        services.restore_state(vic, environment="development", state=copies[0].pk)


def test_rest_lists_compares_and_restores(world, copies):
    client = APIClient()
    client.force_login(person("ada", "admin"))
    first, second = copies
    listed = client.get("/api/v1/states/?environment=development").json()["results"]
    assert [row["id"] for row in listed] == [second.pk, first.pk]
    assert listed[0]["resources"] == 2
    assert "document" not in listed[0]
    found = client.get(f"/api/v1/states/{second.pk}/difference/?since={first.pk}").json()
    assert found["summary"]["delete"] == 1
    answer = client.get(f"/api/v1/states/{second.pk}/difference/?since=x")
    assert (answer.status_code, answer.json()["code"]) == (400, "input.invalid")
    assert client.get(f"/api/v1/states/{second.pk}/difference/?since=999").status_code == 404
    answer = client.post(f"/api/v1/states/{first.pk}/restore/", {"reason": "wrong"})
    assert answer.status_code == 201, answer.json()
    assert (answer.json()["kind"], answer.json()["reason"]) == ("import", "wrong")
    foreign = APIClient()
    foreign.force_login(person("mallory"))
    assert foreign.get(f"/api/v1/states/{first.pk}/").status_code == 404
    assert foreign.post(f"/api/v1/states/{first.pk}/restore/", {}).status_code == 404


def test_the_admin_lists_compares_and_asks_before_it_restores(world, copies):
    browser = Client()
    browser.force_login(person("ada", "admin"))
    first, second = copies
    page = browser.get("/admin/deployments/statecopy/").content.decode()
    assert f"/admin/deployments/statecopy/{second.pk}/difference/" in page
    for row, before in ((second, first), (first, first)):
        led = browser.get(f"/admin/deployments/statecopy/{row.pk}/difference/")
        assert led.url == f"/admin/deployments/statecopy/{row.pk}/difference/{before.pk}/"
    page = browser.get(f"/admin/deployments/statecopy/{second.pk}/difference/{first.pk}/")
    assert "8010" in page.content.decode()
    assert "ciphertext" not in page.content.decode()
    place = f"/admin/deployments/statecopy/{first.pk}/restore/"
    assert "no real thing" in browser.get(place).content.decode()
    answer = browser.post(place, {"reason": "wrong"})
    row = Deployment.objects.get(kind="import")
    assert answer["Location"].endswith(f"/{row.pk}/change/")
    assert "restore" in browser.get(answer["Location"]).content.decode().lower()
    page = browser.get("/admin/environments/development/").content.decode()
    assert f"/admin/deployments/statecopy/{first.pk}/restore/" in page


def test_the_command_restores(world, copies):
    out = StringIO()
    person("ada", "admin")
    call_command("restore_state", "development", str(copies[0].pk), "--as", "ada", stdout=out)
    assert "import development" in out.getvalue()
    assert Deployment.objects.get().state_copy == copies[0]
