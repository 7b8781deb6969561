"""What forbids a change: looked at when asked, at the claim, right before; never in the middle."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.core.errors import Refused
from apps.deployments import reading
from apps.deployments import services as deployments
from apps.deployments.models import Run
from apps.deployments.runner import claim, guard, sweep
from apps.environments import services
from apps.environments.recurrence import Hours
from tests.conftest import person

HOUR = timedelta(hours=1)


@pytest.fixture
def ada(world):
    return actor_for_user(person("ada", "admin"))


def freeze(ada):
    return services.freeze_environment(
        ada, environment="development", reason="year end", ends_at=timezone.now() + HOUR
    )


def stop(ada):
    return services.stop_the_line(ada, reason="fire")


def lock(ada):
    return services.lock_environment(
        ada,
        environment="development",
        name="repair",
        reason="mending",
        expires_at=timezone.now() + HOUR,
    )


def window(ada):
    start = timezone.now() + HOUR
    hours = Hours(f"{start:%H:%M}", f"{start + HOUR:%H:%M}")
    return services.add_window(ada, environment="development", hours=hours, reason="quiet hour")


LIFTS = {
    freeze: lambda ada, row: services.lift_freeze(ada, freeze=row.pk),
    stop: lambda ada, _row: services.lift_stop(ada, reason="out"),
    lock: lambda ada, row: services.unlock_environment(ada, lock=row.pk),
    window: lambda ada, row: services.end_window(ada, window=row.pk),
}
CODES = {
    freeze: "environment.frozen",
    stop: "line.stopped",
    lock: "environment.locked",
    window: "window.closed",
}


@pytest.mark.parametrize("close", list(CODES), ids=lambda f: f.__name__)
def test_an_approved_plan_waits_says_for_what_and_starts_by_itself(close, world, ada, monkeypatch):
    monkeypatch.setattr(claim, "spawn", lambda _run: None)
    row = close(ada)
    deployment = world.planned()
    assert deployment.status == "awaiting_approval"
    world.approve(deployment)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.status_code) == ("scheduled", CODES[close])
    (blocker,) = reading.blocked_by(deployment)
    assert (blocker["code"], blocker["by"]) == (CODES[close], "ada")
    assert blocker["since"]
    assert (blocker["until"] is None) is (close is stop)
    assert sweep.start_scheduled() == 0
    LIFTS[close](ada, row)
    assert sweep.start_scheduled() == 1
    deployment.refresh_from_db()
    assert (deployment.status, deployment.status_reason) == ("applying", "")


def test_it_is_said_when_asked_and_the_plan_is_made_all_the_same(world, ada):
    freeze(ada)
    deployment = world.request()
    assert reading.blocked_by(deployment)[0]["code"] == "environment.frozen"
    world.carry_out(deployment)
    assert world.fresh(deployment).status == "awaiting_approval"


@pytest.mark.parametrize("close", list(CODES), ids=lambda f: f.__name__)
def test_a_gate_that_closes_before_the_claim_sends_it_back_to_wait(close, world, ada):
    deployment = world.planned()
    world.approve(deployment)
    run = Run.objects.get(operation="update")
    row = close(ada)
    assert claim.claim(run.pk) is None
    run.refresh_from_db()
    deployment.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("canceled", "gate.closed")
    assert (deployment.status, deployment.status_code) == ("scheduled", CODES[close])
    assert deployment.approvals.filter(voided_at=None).exists()
    LIFTS[close](ada, row)
    sweep.start_scheduled()
    deployment.refresh_from_db()
    assert deployment.runs.filter(operation="update").count() == 2


def test_a_gate_that_closes_after_the_claim_is_seen_right_before_the_update(
    world, ada, monkeypatch
):
    deployment = world.planned()
    world.approve(deployment)
    asked = guard.call_host

    def slow_look(request, *arguments, **keys):
        answer = asked(request, *arguments, **keys)
        freeze(ada)
        return answer

    monkeypatch.setattr(guard, "call_host", slow_look)
    run = world.carry_out(deployment)
    deployment.refresh_from_db()
    assert (run.status, run.exit_message_id) == ("canceled", "gate.closed")
    assert (deployment.status, deployment.started_at) == ("scheduled", None)
    assert not run.events.filter(kind="resource_began").exists()


def test_a_change_under_way_is_never_stopped_in_the_middle(world, ada):
    deployment = world.planned()
    world.approve(deployment)
    run = Run.objects.get(operation="update")
    assert claim.claim(run.pk)
    from apps.deployments.runner.execution import Execution, adopt, finish

    execution = Execution(adopt(run.pk))
    moved = execution._move_to_running

    def late():
        stop(ada)
        freeze(ada)
        return moved()

    execution._move_to_running = late
    finish(execution.run, execution.carry_out())
    run.refresh_from_db()
    assert run.status == "succeeded"


def test_a_freeze_that_ends_by_the_clock_lets_it_start(world, ada, monkeypatch):
    monkeypatch.setattr(claim, "spawn", lambda _run: None)
    freeze(ada)
    deployment = world.planned()
    world.approve(deployment)
    with time_machine.travel(timezone.now() + 2 * HOUR):
        assert sweep.start_scheduled() == 1
    assert world.fresh(deployment).status == "applying"


def test_who_holds_the_lock_passes_with_their_own_deployment(world):
    lock(world.olga)
    deployment = world.planned()
    world.approve(deployment)
    assert world.fresh(deployment).status == "applying"


def test_a_broken_glass_opens_a_freeze_and_not_the_stop_of_the_line(world, ada):
    world.environment.protection.required_approvals = 1
    world.environment.protection.save()
    freeze(ada)
    keys = {"confirm": "development", "reason": "customers are down"}
    stop(ada)
    deployment = world.planned()
    with pytest.raises(Refused) as caught:
        deployments.break_glass(
            ada, deployment=deployment.pk, fingerprint=deployment.fingerprint, **keys
        )
    assert caught.value.blocked_by[0]["code"] == "line.stopped"
    services.lift_stop(ada, reason="out")
    deployments.break_glass(
        ada, deployment=deployment.pk, fingerprint=deployment.fingerprint, **keys
    )
    assert world.carry_out(deployment).status == "succeeded"


def test_reading_goes_on_while_the_line_is_stopped(world, ada):
    stop(ada)
    assert world.planned().status == "awaiting_approval"
    run = deployments.request_drift(world.olga, environment="development")
    assert claim.claim(run.pk) is not None


def test_a_recovery_waits_for_the_stop_and_for_no_freeze(world, ada):
    run = Run.objects.create(
        stack=world.environment.stack, operation="refresh", requested_by="olga"
    )
    row = stop(ada)
    assert claim.claim(run.pk) is None
    assert Run.objects.get(pk=run.pk).status == "queued"
    freeze(ada)
    services.lift_stop(ada, reason="out")
    assert row.pk
    assert claim.claim(run.pk) is not None
