"""Every part of the fingerprint moves once after an approval: it is named, and nothing is begun."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from apps.accounts.actors import actor_for_user
from apps.deployments import keeping
from apps.deployments.fingerprint import LABELS, make_parts, short
from apps.deployments.models import Deployment, EnginePlan, Run
from apps.environments.models import Environment
from apps.environments.services import set_secret
from tests.conftest import person


def found_otherwise(**keys):
    """What the host finds from now on, with every row of the portal as it was."""

    def move(_world, _monkeypatch, _row):
        (Path(settings.ORCHESTRA_HOME) / "moved.json").write_text(json.dumps(keys))

    return move


def rename_environment(world, monkeypatch, row):
    Environment.objects.filter(pk=world.environment.pk).update(slug="renamed")


def change_operation(world, monkeypatch, row):
    Run.objects.filter(deployment=row, status="queued").update(operation="destroy")


def move_targets(world, monkeypatch, row):
    Deployment.objects.filter(pk=row.pk).update(targets=["urn:pulumi:other"])


def move_commit(world, monkeypatch, row):
    monkeypatch.setattr(
        keeping, "revision_to_deploy", lambda *_: {"commit": "e" * 40, "branch": "main"}
    )


def rotate_secret(world, monkeypatch, row):
    root = actor_for_user(person("root", superuser=True))
    set_secret(root, environment="development", key="api_key", value="canary-newer")


def tamper_with_plan(world, monkeypatch, row):
    EnginePlan.objects.filter(run__deployment=row).update(document={"resourcePlans": {"x": {}}})


MOVES = {
    "environment": rename_environment,
    "operation": change_operation,
    "targets": move_targets,
    "commit": move_commit,
    "program_digest": found_otherwise(program="c" * 64),
    "lock_digest": found_otherwise(lock="d" * 64),
    "config_digest": rotate_secret,
    "engine": found_otherwise(engine="pulumi"),
    "provider": found_otherwise(provider="1.0.1"),
    "state_digest": found_otherwise(state="6" * 64),
    "plan_digest": tamper_with_plan,
}
# The configuration names its environment; and a plan is of an operation: another one has none.
ALONG = {"environment": ["config_digest"], "operation": ["plan_digest"]}


def test_no_part_of_the_fingerprint_is_without_its_case_here():
    parts = make_parts(
        environment="",
        operation="",
        targets=(),
        commit="",
        config_digest="",
        hello={},
        state_digest="",
        plan_digest="",
    )
    assert list(parts) == list(LABELS) == list(MOVES)


@pytest.mark.parametrize("part", MOVES)
def test_a_part_that_moves_after_the_approval_is_named_and_nothing_is_begun(
    world, monkeypatch, part
):
    world.wish()
    row = world.planned()
    old = row.fingerprint_parts[part]
    world.approve(row)
    MOVES[part](world, monkeypatch, row)
    run = world.carry_out(row)
    row.refresh_from_db()
    assert (run.status, row.status, row.status_code) == ("canceled", "stale", "fingerprint.moved")
    said = row.status_reason.removeprefix("Nothing was applied: ").rstrip(".").split("; ")
    assert [words.split(" was ")[0] for words in said] == [
        LABELS[name] for name in (part, *ALONG.get(part, []))
    ]
    was, now = said[0].removeprefix(f"{LABELS[part]} was ").split(", now ")
    assert was == short(old) != now
    assert "canary" not in row.status_reason
    assert row.status_next_step == "Plan again, and look at the new plan."
    assert not run.events.exists()
    # The host was asked what it finds, and nothing else.
    assert not (Path(settings.ORCHESTRA_HOME) / "asked" / f"{run.pk}.json").exists()


def test_a_plan_that_is_kept_no_more_is_not_applied(world):
    row = world.planned()
    world.approve(row)
    EnginePlan.objects.all().delete()
    world.carry_out(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("stale", "fingerprint.moved")
    assert row.status_reason.startswith("Nothing was applied: Plan was ")


def test_what_a_destroy_shows_is_what_its_approval_is_bound_to(world):
    row = world.planned(kind="destroy")
    world.approve(row, confirm="development")
    Deployment.objects.filter(pk=row.pk).update(plan={"summary": {"delete": 0}, "changes": []})
    world.carry_out(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("stale", "fingerprint.moved")
    assert row.status_reason.startswith("Nothing was applied: Plan was ")


def test_the_update_is_held_to_the_very_file_that_was_compared(world):
    world.wish()
    row = world.planned()
    world.approve(row)
    run = world.carry_out(row)
    assert run.status == "succeeded"
    asked = json.loads((Path(settings.ORCHESTRA_HOME) / "asked" / f"{run.pk}.json").read_text())
    assert Path(asked["plan"]).read_text() == json.dumps({"resourcePlans": {}})
    assert run.plan_digest == row.fingerprint_parts["plan_digest"]
