"""A rollback's place in the line: before all that only wait, and nothing is dropped for it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.deployments import reading, services
from apps.deployments.models import Deployment
from apps.deployments.runner import claim, line, progress
from apps.deployments.runner.execution import execute
from apps.environments.services import freeze_environment, lift_freeze
from tests.conftest import person
from tests.deployments.test_rollback import row_of, verified


@pytest.fixture
def revisions(world):
    """What can come back, and what is there now."""
    digests = {"x = 1\n": "1" * 64, "x = 2\n": "2" * 64}
    return [row_of(world, digest, text) for text, digest in digests.items()]


@pytest.fixture
def waiting(world, revisions):
    """One that awaits its confirmation, and one planned behind it."""
    return world.planned(), world.planned()


def roll_back(world, **keys):
    return services.roll_back(world.olga, environment="development", reason="it hangs", **keys)


def order(world):
    return [row.pk for row in line.under_way(world.environment.pk)]


def test_a_rollback_takes_the_turn_of_what_only_waits_for_people(world, waiting):
    first, second = waiting
    row = roll_back(world)
    first.refresh_from_db()
    assert (row.turn_at is not None, first.turn_at, first.status) == (True, None, "scheduled")
    assert order(world) == [row.pk, first.pk, second.pk]
    assert first.status_code == "line.overtaken"
    assert f"Deployment {row.pk} of olga goes first" in first.status_reason
    assert f"the revision of deployment {row.rolls_back_id}" in first.status_reason
    told = AuditEvent.objects.get(event="deployments.deployment.overtaken")
    assert (told.actor_name, told.detail["rollback"]) == ("olga", row.pk)


def test_what_was_overtaken_is_planned_again_after_it_in_the_old_order(world):
    for digest in ("1", "2"):
        verified(world, program=digest * 64)
    first, second = world.planned(), world.planned()
    row = roll_back(world)
    world.carry_out(row)
    world.approve(world.fresh(row))
    world.carry_out(row)
    assert world.fresh(row).status == "verifying"
    first.refresh_from_db()
    assert (first.status, first.turn_at is not None) == ("planning", True)
    assert order(world) == [first.pk, second.pk]
    world.carry_out(first)
    first.refresh_from_db()
    assert (first.status, first.status_code) == ("awaiting_approval", "")


def test_an_approved_one_that_waits_for_a_gate_needs_a_new_approval_after_it(world, waiting):
    first, _ = waiting
    ada = actor_for_user(person("ada", "admin"))
    until = timezone.now() + timedelta(hours=1)
    freeze = freeze_environment(ada, environment="development", reason="year end", ends_at=until)
    world.approve(first)
    assert world.fresh(first).status == "scheduled"
    row = roll_back(world)
    assert (world.fresh(first).turn_at, world.fresh(row).turn_at is not None) == (None, True)
    lift_freeze(ada, freeze=freeze.pk)
    Deployment.objects.filter(pk=row.pk).update(status="canceled")
    assert line.give_turn(world.environment.pk)
    first.refresh_from_db()
    assert first.status == "planning"
    assert first.approvals.get().voided_at is not None


def test_one_that_is_being_planned_goes_on_with_that_and_stands_in_line_then(world, revisions):
    first = world.request()
    assert claim.claim(first.runs.get().pk)
    row = roll_back(world)
    execute(first.runs.get().pk)
    first.refresh_from_db()
    assert (first.status, first.turn_at) == ("scheduled", None)
    assert order(world) == [row.pk, first.pk]


def test_a_turn_given_up_while_the_plan_is_written_leaves_it_in_line(world, monkeypatch):
    first = world.request()
    real = progress._planned

    def overtaken(deployment, run, outcome):
        Deployment.objects.filter(pk=deployment.pk).update(turn_at=None)
        return real(deployment, run, outcome)

    monkeypatch.setattr(progress, "_planned", overtaken)
    world.carry_out(first)
    assert world.fresh(first).status == "scheduled"


def test_a_change_at_work_is_never_overtaken(world, revisions):
    first = world.planned()
    second = world.request()
    world.approve(first)
    row = roll_back(world)
    assert world.fresh(first).status == "applying"
    assert (row.turn_at, order(world)) == (None, [first.pk, row.pk, second.pk])
    (blocker,) = reading.blocked_by(row)
    assert "is second in line" in blocker["detail"]
    (blocker,) = reading.blocked_by(world.fresh(second))
    assert "is third in line" in blocker["detail"]


def test_rollbacks_among_themselves_go_in_the_order_of_asking(world, waiting):
    first, second = roll_back(world), roll_back(world)
    assert (first.turn_at is not None, second.turn_at) == (True, None)
    assert order(world)[:2] == [first.pk, second.pk]


def test_a_rollback_that_supersedes_takes_the_place_of_all_that_wait(world, waiting):
    row = roll_back(world, supersede=True)
    assert order(world) == [row.pk]
    assert {world.fresh(old).superseded_by for old in waiting} == {row}


def test_every_door_says_who_goes_first_and_what_it_leaves(world, waiting, revisions, client):
    olga = get_user_model().objects.get(username="olga")
    client.force_login(olga)
    good, bad = revisions
    place = reverse("admin:deployments_rollback_to", args=["development", good.pk])
    asked = client.get(place).content.decode()
    assert f"What is left is the revision of deployment {bad.pk}" in asked
    for other in waiting:
        assert f"Deployment {other.pk} by olga waits: the rollback goes first" in asked
    assert client.post(place, {"reason": "it hangs"}).status_code == 302
    row = Deployment.objects.get(kind="rollback")
    first = waiting[0]
    page = client.get(
        reverse("admin:deployments_deployment_change", args=[first.pk])
    ).content.decode()
    assert "rollbacks before all that only wait" in page
    assert f"rollback from the revision of deployment {bad.pk}" in page
    api = APIClient()
    api.force_login(olga)
    told = api.get(f"/api/v1/deployments/{first.pk}/").json()
    assert told["blocked_by"][0]["code"] == "stack.busy"
    assert (
        f"deployment {row.pk} (rollback from the revision of deployment {bad.pk}, planning)"
        in told["blocked_by"][0]["detail"]
    )
    assert told["reason"] == ""
