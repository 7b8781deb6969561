"""The ladder of a recovery: six steps, each a verb with a record, at every door."""

import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Refused
from apps.deployments import keeping, ladder, services
from apps.deployments.models import Deployment, Run, StateCopy
from apps.deployments.processes import own_facts
from apps.deployments.runner import sweep
from apps.deployments.runner.requests import run_request
from tests.conftest import person
from tests.deployments.conftest import LOCK, PENDING, URN


def opened(deployment):
    [step] = [step for step in ladder.steps(deployment) if step.is_open]
    return step.name


def test_the_whole_ladder_in_its_order(world, lost):
    olga, pk = world.olga, lost.pk
    assert opened(lost) == "look-at-state"
    services.prove_death(olga, deployment=pk)
    services.look_at_state(olga, deployment=pk)
    under_way = ladder.steps(lost)[1]
    assert (under_way.pending[0].operation, under_way.pending[0].name) == ("create", "memory-0")
    assert StateCopy.objects.filter(run=ladder.lost_run(lost)).exists()
    assert opened(lost) == "remove-lock"
    services.remove_lock(olga, deployment=pk)
    assert opened(lost) == "read-back"
    with pytest.raises(Refused) as caught:
        services.plan_after_recovery(olga, deployment=pk)
    assert caught.value.code == "recovery.not_ready"
    world.wish(pending=PENDING)
    services.read_back(olga, deployment=pk)
    with pytest.raises(Refused) as caught:
        services.read_back(olga, deployment=pk)
    assert caught.value.code == "deployment.recovering"
    assert world.carry_out(lost).operation == "refresh"
    assert world.fresh(lost).status == "needs_recovery"
    assert opened(lost) == "clear-pending-creates"
    world.wish()
    services.clear_pending_creates(olga, deployment=pk)
    assert world.carry_out(lost).parameters["clear_pending_creates"] is True
    # A person walks: nothing is planned by itself.
    assert world.fresh(lost).status == "needs_recovery"
    assert opened(lost) == "plan"
    services.plan_after_recovery(olga, deployment=pk)
    world.carry_out(lost)
    assert world.fresh(lost).status == "awaiting_approval"
    told = AuditEvent.objects.filter(event__startswith="deployments.recovery.", actor_name="olga")
    assert [row.event.rpartition(".")[2] for row in told.order_by("pk")] == [
        "death_proven",
        "state_read",
        "lock_removed",
        "refresh_asked",
        "pending_creates_asked",
        "planned",
    ]


def test_a_lock_of_somebody_else_is_never_removed(world, lost):
    foreign = {**LOCK, "pid": 77}
    world.wish(inspect={"pending_operations": [], "locks": [foreign]})
    with pytest.raises(Refused) as caught:
        services.remove_lock(world.olga, deployment=lost.pk)
    assert caught.value.code == "lock.foreign"
    assert opened(lost) == "remove-lock"
    assert "pid 77" in ladder.steps(lost)[2].fact
    assert not AuditEvent.objects.filter(event="deployments.recovery.lock_removed").exists()


def test_where_no_lock_was_left_it_says_so(world, lost):
    world.wish()
    with pytest.raises(Refused) as caught:
        services.remove_lock(world.olga, deployment=lost.pk)
    assert caught.value.code == "lock.none"


def test_while_a_process_may_live_nothing_is_removed_or_refreshed(world, lost):
    me = own_facts()
    run = ladder.lost_run(lost)
    Run.objects.filter(pk=run.pk).update(
        engine_pid=os.getpid(), engine_start_ticks=me.start_ticks, boot_id=me.boot_id
    )
    assert opened(lost) == "prove-death"
    for verb in (
        services.prove_death,
        services.remove_lock,
        services.read_back,
        services.clear_pending_creates,
    ):
        with pytest.raises(Refused) as caught:
            verb(world.olga, deployment=lost.pk)
        assert caught.value.code == "run.alive"
        assert str(os.getpid()) in caught.value.detail


def test_a_state_that_cannot_be_read_is_said_and_changes_nothing(world, lost):
    world.wish(inspect={"outcome": "refused", "code": "state.damaged", "reason": "It is torn."})
    with pytest.raises(Refused) as caught:
        services.look_at_state(world.olga, deployment=lost.pk)
    assert caught.value.code == "state.damaged"
    assert opened(lost) == "look-at-state"


def test_a_recovery_needs_the_right_and_something_to_recover(world, lost):
    vic = actor_for_user(person("vic", "viewer"))
    with pytest.raises(Forbidden):
        services.prove_death(vic, deployment=lost.pk)
    Deployment.objects.update(status="failed")
    with pytest.raises(Refused) as caught:
        services.prove_death(world.olga, deployment=lost.pk)
    assert caught.value.code == "deployment.nothing_to_recover"


def test_what_the_sweeper_settled_stands_on_the_ladder(world, lost):
    sweep.sweep()
    steps = ladder.steps(world.fresh(lost))
    assert [step.is_done for step in steps] == [True, True, True, False, False, False]
    assert (steps[1].who, steps[2].who) == ("portal", "portal")
    assert "Removed" in steps[2].fact


def test_rest_shows_the_ladder_and_takes_steps(world, lost):
    client = APIClient()
    client.force_login(person("ada", "admin"))
    place = f"/api/v1/deployments/{lost.pk}/recovery/"
    told = client.get(place).json()["results"]
    assert [step["name"] for step in told if step["is_open"]] == ["look-at-state"]
    assert client.post(f"{place}look-at-state/").status_code == 200
    told = client.get(place).json()["results"]
    assert told[1]["pending"][0]["urn"] == URN
    assert (told[1]["who"], told[1]["is_done"]) == ("ada", True)
    answer = client.post(f"{place}plan/")
    assert (answer.status_code, answer.json()["code"]) == (409, "recovery.not_ready")
    answer = client.post(f"{place}dance/")
    assert (answer.status_code, answer.json()["code"]) == (404, "recovery.step")
    foreign = APIClient()
    foreign.force_login(person("mallory"))
    assert foreign.get(place).status_code == 404
    assert foreign.post(f"{place}plan/").status_code == 404


def test_the_page_walks_through_it(world, lost):
    browser = Client()
    browser.force_login(person("ada", "admin"))
    place = f"/admin/deployments/deployment/{lost.pk}/"
    page = browser.get(f"{place}change/").content.decode()
    assert "1. Is the process really gone?" in page
    assert f"{place}recovery/look-at-state/" in page
    assert "Changes nothing" in browser.get(f"{place}recovery/look-at-state/").content.decode()
    browser.post(f"{place}recovery/look-at-state/")
    page = browser.get(f"{place}change/").content.decode()
    assert "memory-0" in page
    assert f"{place}recovery/remove-lock/" in page
    assert browser.get(f"{place}recovery/dance/").status_code == 404
    viewer = Client()
    viewer.force_login(person("vic", "viewer"))
    page = viewer.get(f"{place}change/").content.decode()
    assert "Needs operator or admin" in page
    assert viewer.post(f"{place}recovery/look-at-state/").status_code == 403


def test_the_command_shows_and_takes_steps(world, lost):
    out = StringIO()
    person("ada", "admin")
    call_command("recover", "development", "--steps", "--as", "ada", stdout=out)
    assert "2. What was under way?" in out.getvalue()
    call_command("recover", "development", "--step", "look-at-state", "--as", "ada", stdout=out)
    assert opened(lost) == "remove-lock"
    with pytest.raises(CommandError, match="cannot be planned yet"):
        call_command("recover", "development", "--step", "plan", "--as", "ada", stdout=out)


def test_each_operation_has_a_time_limit_of_its_own(world, settings, tmp_path):
    settings.RUN_TIME_LIMIT, settings.RUN_TIME_LIMITS = 100, {"preview": 7}
    row = world.request()
    for operation, limit in (("preview", 7.0), ("update", 100.0)):
        run = Run(pk=1, stack=world.environment.stack, deployment=row, operation=operation)
        assert run_request(run, keeping.configuration_for(run), tmp_path).time_limit == limit
