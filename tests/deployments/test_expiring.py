"""A decision lets a plan begin for so many hours, and only while its giver has the role."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.accounts.models import RoleBinding
from apps.deployments import reading, services
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import claim, guard, sweep, unattended
from apps.environments.services import freeze_environment, lift_freeze
from tests.conftest import person

HOUR = timedelta(hours=1)
HOURS = 4


@pytest.fixture
def ada(world):
    """Development asks for one approval, which holds as long as one of production."""
    rule = world.environment.protection
    rule.required_approvals, rule.approval_hours = 1, HOURS
    rule.save()
    return actor_for_user(person("ada", "admin"))


@pytest.fixture
def frozen(ada):
    return freeze_environment(
        ada, environment="development", reason="year end", ends_at=timezone.now() + 50 * HOUR
    )


def approve(actor, row):
    services.approve_deployment(actor, deployment=row.pk, fingerprint=row.fingerprint)
    row.refresh_from_db()
    return row


def lose_role(name):
    RoleBinding.objects.filter(user__username=name).delete()


def later(hours):
    return time_machine.travel(timezone.now() + hours * HOUR)


def test_an_approval_that_expires_before_the_gate_opens_is_asked_for_again(world, ada, frozen):
    row = approve(ada, world.planned())
    assert row.status == "scheduled"
    with later(HOURS - 1):
        assert sweep.sweep()["asked_again"] == 0
    with later(HOURS + 1):
        lift_freeze(ada, freeze=frozen.pk)
        done = sweep.sweep()
        assert (done["asked_again"], done["released"], done["expired"]) == (1, 0, 0)
        row.refresh_from_db()
        assert (row.status, row.status_code) == ("awaiting_approval", "approval.expired")
        assert row.status_reason.startswith("The approval by ada of ")
        assert f"expired after 4 hours, before deployment {row.pk} could begin" in row.status_reason
        assert not row.runs.filter(operation="update").exists()
        assert row.approvals.get().voided_at is not None
        assert approve(ada, row).status == "applying"


def test_not_even_between_two_looks_of_the_sweeper_does_it_start(world, ada, frozen):
    row = approve(ada, world.planned())
    with later(HOURS + 1):
        lift_freeze(ada, freeze=frozen.pk)
        assert sweep.start_scheduled() == 0
    assert world.fresh(row).status == "scheduled"


def test_what_is_asked_for_again_waits_as_long_as_a_new_plan_and_then_expires(world, ada, frozen):
    row = approve(ada, world.planned())
    with later(HOURS + 1):
        sweep.sweep()
        row.refresh_from_db()
        assert reading.expires_at(row) == row.approvals.get().voided_at + HOURS * HOUR
    with later(HOURS + 4):
        assert sweep.sweep()["expired"] == 0
    with later(2 * HOURS + 2):
        assert sweep.sweep()["expired"] == 1
    assert world.fresh(row).status_code == "deployment.expired"


def test_a_confirmation_expires_as_an_approval_does(world):
    ada = actor_for_user(person("ada", "admin"))
    freeze_environment(
        ada, environment="development", reason="year end", ends_at=timezone.now() + 50 * HOUR
    )
    row = approve(world.olga, world.planned())
    with later(25):
        sweep.sweep()
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("awaiting_approval", "approval.expired")
    assert row.status_reason.startswith("The confirmation by olga of ")


def test_what_was_confirmed_beforehand_is_confirmed_beforehand_again(world):
    ada = actor_for_user(person("ada", "admin"))
    freeze_environment(
        ada, environment="development", reason="year end", ends_at=timezone.now() + 50 * HOUR
    )
    row = world.planned()
    Deployment.objects.filter(pk=row.pk).update(unattended=True)
    assert unattended.confirm_unattended() == 1
    with later(25):
        done = sweep.sweep()
        assert (done["asked_again"], done["unattended"]) == (1, 1)
    assert world.fresh(row).status == "scheduled"


@pytest.mark.parametrize(
    ("lapse", "hours", "code"),
    [(lambda: None, HOURS + 1, "approval.expired"), (lambda: lose_role("ada"), 0, "approval.void")],
    ids=["expired", "role lost"],
)
def test_a_decision_that_lapses_in_the_queue_of_the_stack_begins_nothing(
    world, ada, lapse, hours, code
):
    row = approve(ada, world.planned())
    run = Run.objects.get(deployment=row, operation="update")
    lapse()
    with later(hours):
        assert claim.claim(run.pk) is None
    run.refresh_from_db()
    row.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("canceled", code)
    assert (row.status, row.status_code, row.started_at) == ("awaiting_approval", code, None)


def test_a_decision_that_lapses_during_the_last_look_begins_nothing(world, ada, monkeypatch):
    row = approve(ada, world.planned())
    asked = guard.call_host

    def slow_look(request, *arguments, **keys):
        answer = asked(request, *arguments, **keys)
        lose_role("ada")
        return answer

    monkeypatch.setattr(guard, "call_host", slow_look)
    run = world.carry_out(row)
    row.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("canceled", "approval.void")
    assert (row.status, row.status_code) == ("awaiting_approval", "approval.void")
    assert "What ada approved counts no more" in row.status_reason
    assert not run.events.exists()
    assert row.approvals.get().voided_at is not None


def test_a_role_that_is_lost_while_it_waits_for_a_gate_is_said(world, ada, frozen):
    row = approve(ada, world.planned())
    lose_role("ada")
    sweep.sweep()
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("awaiting_approval", "approval.void")


def test_with_two_needed_it_holds_as_long_as_the_older_of_them(world, ada, frozen):
    world.environment.protection.required_approvals = 2
    world.environment.protection.save()
    row = approve(ada, world.planned())
    eve = actor_for_user(person("eve", "approver"))
    with later(1):
        approve(eve, row)
        assert row.status == "scheduled"
    first = row.approvals.earliest("at")
    assert reading.expires_at(row) == first.at + HOURS * HOUR
    with later(HOURS + 0.5):
        sweep.sweep()
        assert world.fresh(row).status_code == "approval.expired"
        # The other one still holds: one more is enough.
        assert [given.by for given in row.approvals.filter(voided_at=None)] == ["eve"]
        assert approve(ada, world.fresh(row)).status == "scheduled"


def test_page_and_rest_say_until_when_a_decision_holds(world, ada, frozen, client):
    row = approve(ada, world.planned())
    olga = get_user_model().objects.get(username="olga")
    client.force_login(olga)
    place = reverse("admin:deployments_deployment_change", args=[row.pk])
    assert "What was decided lets it begin until" in client.get(place).content.decode()
    api = APIClient()
    api.force_login(olga)
    told = api.get(f"/api/v1/deployments/{row.pk}/").json()
    until = row.approvals.get().at + HOURS * HOUR
    assert told["expires_at"].startswith(until.strftime("%Y-%m-%dT%H:%M:%S"))
    with later(HOURS + 1):
        sweep.sweep()
    page = client.get(place).content.decode()
    assert "The approval by ada of" in page
    assert "Decide once more, or plan again." in page
    told = api.get(f"/api/v1/deployments/{row.pk}/").json()
    assert (told["status"], told["approvals"][0]["by"]) == ("awaiting_approval", "ada")


@pytest.mark.parametrize("has_turn", [True, False])
def test_until_it_is_asked_again_the_page_and_rest_say_what_counts_no_more(
    world, ada, frozen, client, has_turn
):
    row = approve(ada, world.planned())
    if not has_turn:
        Deployment.objects.filter(pk=row.pk).update(turn_at=None)
    lose_role("ada")
    olga = get_user_model().objects.get(username="olga")
    client.force_login(olga)
    page = client.get(reverse("admin:deployments_deployment_change", args=[row.pk]))
    then = "awaits a decision again within seconds" if has_turn else "planned anew when its turn"
    for words in ("What ada approved counts no more", "approval.void", then):
        assert words in page.content.decode()
    rest = APIClient()
    rest.force_login(olga)
    first = rest.get(f"/api/v1/deployments/{row.pk}/").json()["blocked_by"][0]
    assert first["code"] == "approval.void"
    assert then in first["detail"]
