"""Decisions on the command line: the verbs of the page, with their words and their bounds."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.deployments import services
from apps.deployments.models import Schedule
from apps.deployments.services.timetabling import Timing
from apps.environments.models import Protection
from tests.conftest import person


@pytest.fixture
def asked(world):
    """A plan of olga's that somebody else has to approve."""
    Protection.objects.filter(environment=world.environment).update(required_approvals=1)
    person("ada", "approver")
    return world.planned()


def told(*arguments):
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def refused(match, *arguments):
    with pytest.raises(CommandError, match=match):
        told(*arguments)


def test_a_plan_is_approved_by_the_fingerprint_that_was_read(world, asked):
    command = ("approve_deployment", asked.pk, "--as", "ada", "--fingerprint")
    refused("for another plan", *command, "0" * 16)
    refused("for another plan", *command, asked.fingerprint[:11])
    refused("approve needs", *command[:3], "olga", "--fingerprint", asked.fingerprint)
    assert world.fresh(asked).status == "awaiting_approval"
    said = told(*command, asked.fingerprint[:16])
    assert said == f"Deployment {asked.pk} of development: applying.\n"
    assert asked.approvals.get().comment == ""


def test_a_plan_is_rejected_with_a_comment(world, asked):
    told("reject_deployment", asked.pk, "--comment", "not on a Friday", "--as", "ada")
    row = world.fresh(asked)
    assert row.status == "rejected"
    assert "not on a Friday" in row.status_reason
    refused("awaits", "approve_deployment", asked.pk, "--fingerprint", "f", "--as", "ada")


def test_a_plan_is_made_again_canceled_and_superseded(world, asked):
    assert "planning" in told("replan_deployment", asked.pk, "--as", "olga")
    later = world.request()
    refused("no deployment 4711", "supersede_deployment", asked.pk, "--by", 4711, "--as", "olga")
    assert "canceled" in told("cancel_deployment", later.pk, "--as", "olga")
    refused("There is no deployment 4711", "cancel_deployment", 4711, "--as", "olga")


def test_a_waiting_deployment_gives_way_to_a_later_one(world, asked):
    later = world.request()
    said = told("supersede_deployment", asked.pk, "--by", later.pk, "--as", "olga")
    assert "canceled" in said
    assert world.fresh(asked).superseded_by == later


def test_who_may_only_look_changes_nothing(world, asked):
    person("vic", "viewer")
    for command in ("cancel_deployment", "replan_deployment", "reject_deployment"):
        refused("You may look here", command, asked.pk, "--as", "vic")
    assert world.fresh(asked).status == "awaiting_approval"


def test_a_schedule_is_paused_goes_on_and_ends(world):
    row = services.schedule_deployment(
        world.olga, environment="development", name="nightly", reason="fresh",
        timing=Timing(cron="0 2 * * *"),
    )  # fmt: skip
    assert "is paused" in told("change_schedule", row.pk, "--pause", "--as", "olga")
    assert "goes on" in told("change_schedule", row.pk, "--resume", "--as", "olga")
    assert "fires no more" in told("change_schedule", row.pk, "--end", "--as", "olga")
    assert Schedule.objects.get().ended_at <= timezone.now()
    refused("over|ended", "change_schedule", row.pk, "--end", "--as", "olga")
