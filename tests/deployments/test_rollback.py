"""An earlier verified revision comes back as it was, and what it took the place of is held."""

import json
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound, Refused
from apps.core.permissions import system
from apps.deployments import gates, rollbacks, services
from apps.deployments.models import Deployment, Hold, KeptRevision
from apps.environments.models import Setting
from apps.environments.services import set_secret, set_setting
from apps.live.models import Message
from tests.conftest import person

SCHEDULE = system("schedule")


@pytest.fixture
def root(world):
    return actor_for_user(person("root", superuser=True))


def verified(world, **wish):
    """A deployment of the program with this digest, applied and verified."""
    world.wish(**wish)
    row = world.applied()
    assert row.status == "verifying", row.status_reason
    row.move("succeeded", verification="passed")
    return row


@pytest.fixture
def two(world, root):
    """A verified revision, and the bad one after it: other program, setting and secret."""
    set_setting(root, environment="development", key="mcp_enabled", value=True)
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-one")
    good = verified(world, program="1" * 64, source="x = 1\n")
    set_setting(root, environment="development", key="mcp_enabled", value=False)
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-two")
    bad = verified(world, program="2" * 64, source="x = 2\ny = 3\n")
    return good, bad


def row_of(world, digest, source, **described):
    """A verified deployment with its kept revision, written down without running anything."""
    row = Deployment.objects.create(
        environment=world.environment,
        status="succeeded",
        verification="passed",
        requested_by="olga",
        revision={"commit": "c" * 40, "branch": "main", "program_digest": digest},
        configuration={f"orchestra:{key}": value for key, value in described.items()},
    )
    KeptRevision.objects.create(
        deployment=row, program_kind="builtin", program_digest=digest, config_digest=digest
    )
    folder = Path(django_settings.ORCHESTRA_HOME) / "programs" / digest
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: x\n")
    (folder / "__main__.py").write_text(source)
    return row


@pytest.fixture
def rows(world):
    """A good revision and the bad one after it, as rows."""
    database = {"kind": "sqlite", "servers": [{"name": "memory", "port": 8003}]}
    good = row_of(
        world,
        "1" * 64,
        "x = 1\n",
        database={"value": database},
        lambda_labs_api_key={"secret_version": 1},
    )
    database = {"kind": "sqlite", "servers": [{"name": "memory", "port": 8010}]}
    bad = row_of(
        world,
        "2" * 64,
        "x = 2\ny = 3\n",
        database={"value": database},
        lambda_labs_api_key={"secret_version": 2},
    )
    return good, bad


def requests_of(run):
    """What the twin was given for this run."""
    return json.loads(
        (Path(django_settings.ORCHESTRA_HOME) / "asked" / f"{run.pk}.json").read_text()
    )


def test_it_offers_verified_revisions_with_what_each_would_change(world, rows):
    good, bad = rows
    assert rollbacks.current(world.environment) == bad
    [offered] = rollbacks.candidates(world.environment)
    assert offered.deployment == good
    assert [(entry.path, entry.now, entry.then) for entry in offered.settings] == [
        ("database.servers.memory.port", "8010", "8003"),
        ("lambda_labs_api_key", "secret, version 2", "secret, version 1"),
    ]
    [changed] = [entry for entry in offered.files if entry.path == "__main__.py"]
    assert (changed.change, changed.added, changed.removed) == ("changed", 1, 2)


def test_what_is_not_verified_or_was_not_kept_is_not_offered(world, rows):
    good, _ = rows
    Deployment.objects.filter(pk=good.pk).update(verification="inconclusive")
    assert rollbacks.candidates(world.environment) == []
    Deployment.objects.filter(pk=good.pk).update(verification="passed")
    (Path(django_settings.ORCHESTRA_HOME) / "programs" / ("1" * 64) / "Pulumi.yaml").unlink()
    assert rollbacks.candidates(world.environment) == []
    with pytest.raises(Refused) as caught:
        services.roll_back(world.olga, environment="development")
    assert caught.value.code == "rollback.no_revision"
    assert not Hold.objects.exists()


def test_the_old_program_settings_and_secrets_come_back(world, two):
    good, bad = two
    row = services.roll_back(world.olga, environment="development", reason="it broke")
    assert (row.kind, row.status, row.returns_to, row.rolls_back) == (
        "rollback",
        "planning",
        good,
        bad,
    )
    run = world.carry_out(row)
    asked = requests_of(run)
    assert asked["program"]["path"].endswith("1" * 64)
    assert asked["config"]["orchestra:lambda_labs_api_key"]["value"] == "canary-one"
    assert asked["config"]["orchestra:mcp_enabled"]["value"] is True
    row.refresh_from_db()
    assert row.status == "awaiting_approval"
    assert row.revision["config_digest"] == good.kept.config_digest
    assert row.fingerprint_parts["commit"] == good.revision["commit"]
    world.approve(row)
    run = world.carry_out(row)
    assert requests_of(run)["config"]["orchestra:lambda_labs_api_key"]["value"] == "canary-one"
    row.refresh_from_db()
    bad.refresh_from_db()
    assert (row.status, bad.status) == ("verifying", "rolled_back")
    assert f"deployment {good.pk}" in bad.status_reason
    # It can be rolled back to, and from, like any other.
    assert (row.kept.program_digest, row.kept.config_digest) == rollbacks.pair_of(good.kept)
    # Nothing of the environment's own settings was changed by it.
    assert Setting.objects.get(key="mcp_enabled").value is False


def test_a_kept_program_that_was_touched_is_not_run(world, two):
    row = services.roll_back(world.olga, environment="development")
    # As if the tree had another digest than the one it was kept under.
    KeptRevision.objects.filter(deployment=row.returns_to).update(program_digest="4" * 64)
    world.carry_out(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("failed", "revision.damaged")


def test_automation_does_not_bring_it_back_until_a_person_lifts_the_hold(world, rows):
    _, bad = rows
    services.roll_back(world.olga, environment="development", reason="it broke")
    hold = Hold.objects.get()
    assert (hold.deployment, hold.set_by, hold.reason) == (bad, "olga", "it broke")
    for act in (services.request_deployment, services.correct_drift):
        with pytest.raises(Refused) as caught:
            act(SCHEDULE, environment="development")
        assert caught.value.code == "environment.held"
        assert f"Lift hold {hold.pk}" in caught.value.detail
    assert Message.objects.filter(kind="hold.set").exists()
    services.cancel_deployment(world.olga, deployment=Deployment.objects.first().pk)
    services.lift_hold(world.olga, hold=hold.pk, reason="the check was wrong")
    assert services.request_deployment(SCHEDULE, environment="development").automated
    [row] = AuditEvent.objects.filter(event="deployments.hold.lifted")
    assert (row.actor_name, row.detail["reason"]) == ("olga", "the check was wrong")


def test_a_plan_that_automation_made_before_the_hold_is_blocked_by_it(world, two):
    _, bad = two
    row = services.request_deployment(SCHEDULE, environment="development")
    world.carry_out(row)
    row.refresh_from_db()
    assert gates.blockers(row) == []
    Hold.objects.create(environment=world.environment, deployment=bad, reason="x", set_by="olga")
    [blocker] = gates.blockers(row)
    assert (blocker.code, blocker.waits) == ("environment.held", False)
    with pytest.raises(Refused) as caught:
        world.approve(row)
    assert caught.value.code == "deployment.blocked"


def test_a_person_may_deploy_what_mends_it_but_not_the_held_revision(world, two):
    _, bad = two
    row = services.roll_back(world.olga, environment="development")
    world.carry_out(row)
    row.refresh_from_db()
    world.approve(row)
    world.carry_out(row)
    world.wish(program="2" * 64, source="x = 2\ny = 3\n")
    again = world.planned()
    # The same program with the same settings: the very revision that was held.
    assert again.revision["config_digest"] == bad.revision["config_digest"]
    assert [blocker.code for blocker in gates.blockers(again)] == ["environment.held"]
    services.cancel_deployment(world.olga, deployment=again.pk)
    world.wish(program="5" * 64)
    assert gates.blockers(world.planned()) == []


def test_each_revision_is_held_once(world, rows):
    row = services.roll_back(world.olga, environment="development")
    services.cancel_deployment(world.olga, deployment=row.pk)
    services.roll_back(world.olga, environment="development", reason="again", supersede=True)
    assert Hold.objects.count() == 1


def test_lifting_needs_a_reason_a_role_and_a_standing_hold(world, rows):
    services.roll_back(world.olga, environment="development")
    hold = Hold.objects.get()
    with pytest.raises(Invalid):
        services.lift_hold(world.olga, hold=hold.pk, reason=" ")
    with pytest.raises(Forbidden):
        services.lift_hold(actor_for_user(person("vic", "viewer")), hold=hold.pk, reason="x")
    with pytest.raises(NotFound):
        services.lift_hold(actor_for_user(person("mallory")), hold=hold.pk, reason="x")
    with pytest.raises(NotFound):
        services.lift_hold(world.olga, hold=hold.pk + 1, reason="x")
    services.lift_hold(world.olga, hold=hold.pk, reason="x")
    with pytest.raises(Refused) as caught:
        services.lift_hold(world.olga, hold=hold.pk, reason="x")
    assert caught.value.code == "hold.lifted"


def test_where_nothing_is_deployed_there_is_nothing_to_roll_back(world):
    with pytest.raises(Refused) as caught:
        services.roll_back(world.olga, environment="development")
    assert caught.value.code == "rollback.nothing_deployed"


def test_an_unknown_target_names_those_there_are(world, rows):
    good, bad = rows
    with pytest.raises(Refused) as caught:
        services.roll_back(world.olga, environment="development", to=bad.pk)
    assert str(good.pk) in caught.value.next_step


def test_a_new_plan_of_a_rollback_is_still_of_the_old_revision(world, two):
    good, _ = two
    row = services.roll_back(world.olga, environment="development")
    world.carry_out(row)
    row.refresh_from_db()
    services.replan_deployment(world.olga, deployment=row.pk)
    run = world.carry_out(row)
    assert requests_of(run)["program"]["path"].endswith("1" * 64)
    assert world.fresh(row).revision["config_digest"] == good.kept.config_digest
