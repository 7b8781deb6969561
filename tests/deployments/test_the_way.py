"""Request, plan, confirm, apply: the way of a deployment with a twin of the engine host."""

import hashlib
import json

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import Invalid, NotFound, Refused, Stale
from apps.deployments import services
from apps.deployments.models import EnginePlan, RunEvent, StateCopy
from apps.deployments.signals import run_finished
from apps.deployments.states import opened_state
from apps.live.models import Message

# As the twin of the host computes it of the plan that it saved.
PLAN_DIGEST = hashlib.sha256(json.dumps({"resourcePlans": {}}).encode()).hexdigest()


def test_a_request_plans_and_leaves_record_message_and_hint(world, hinted):
    deployment = world.request(reason="first")
    run = deployment.runs.get()
    assert (deployment.status, run.operation, run.status) == ("planning", "preview", "queued")
    assert hinted == [run.pk]
    assert AuditEvent.objects.get(event="deployments.deployment.requested").actor_name == "olga"
    topics = set(Message.objects.values_list("topic", flat=True))
    assert {f"deployment:{deployment.pk}", "environment:development", "fleet"} <= topics


def test_a_plan_waits_with_its_changes_and_its_fingerprint(world):
    deployment = world.planned()
    assert deployment.status == "awaiting_approval"
    assert deployment.plan["summary"]["create"] == 1
    assert deployment.plan["changes"][0]["name"] == "memory-0"
    assert len(deployment.fingerprint) == 64
    parts = deployment.fingerprint_parts
    assert parts["engine"] == "embedded 3.272.0"
    assert parts["plan_digest"] == PLAN_DIGEST
    assert EnginePlan.objects.get().run == deployment.runs.get()


def test_a_confirmed_plan_is_applied_and_its_state_kept(world):
    heard = []
    run_finished.connect(lambda run, **_: heard.append((run.operation, run.status)), weak=False)
    deployment = world.applied()
    assert deployment.status == "verifying"
    assert heard[-1] == ("update", "succeeded")
    copy = StateCopy.objects.get()
    assert opened_state(copy) == {"version": 3, "deployment": {"resources": []}}
    assert "resources" not in json.dumps(copy.document)
    world.environment.stack.refresh_from_db()
    assert world.environment.stack.encryption_salt == "v1:salt"


def test_events_are_numbered_from_one_without_gaps(world):
    world.wish(resources=700)
    deployment = world.applied()
    for run in deployment.runs.all():
        sequences = list(
            RunEvent.objects.filter(run=run).order_by("sequence").values_list("sequence", flat=True)
        )
        assert sequences == list(range(1, run.last_sequence + 1))
        assert len(sequences) > 1400


def test_nothing_to_change_ends_as_unchanged(world):
    world.wish(resources=0)
    deployment = world.planned()
    assert deployment.status == "unchanged"
    assert deployment.finished_at is not None


def test_a_confirmation_for_another_plan_is_refused(world):
    deployment = world.planned()
    with pytest.raises(Stale) as caught:
        services.approve_deployment(world.olga, deployment=deployment.pk, fingerprint="0" * 64)
    assert caught.value.code == "fingerprint.moved"
    assert deployment.runs.count() == 1


def test_a_second_confirmation_finds_nothing_to_confirm(world):
    deployment = world.planned()
    world.approve(deployment)
    with pytest.raises(Refused) as caught:
        world.approve(deployment)
    assert caught.value.code == "deployment.not_awaiting"
    assert deployment.runs.filter(operation="update").count() == 1


def test_a_stale_deployment_is_planned_again_and_old_approvals_are_void(world):
    world.wish()
    deployment = world.planned()
    world.approve(deployment)
    world.wish(program="c" * 64)
    world.carry_out(deployment)
    services.replan_deployment(world.olga, deployment=deployment.pk)
    world.carry_out(deployment)
    deployment.refresh_from_db()
    assert deployment.status == "awaiting_approval"
    assert deployment.approvals.get().voided_at is not None
    world.approve(deployment)
    assert world.carry_out(deployment).status == "succeeded"


def test_an_unknown_environment_is_an_error_that_names_the_others(world):
    with pytest.raises(NotFound) as caught:
        services.request_deployment(world.olga, environment="prod")
    assert caught.value.code == "environment.unknown"
    assert "development" in caught.value.detail


def test_destroying_asks_for_the_typed_name_and_reads_back(world):
    deployment = world.planned(kind="destroy")
    with pytest.raises(Invalid) as caught:
        world.approve(deployment)
    assert caught.value.code == "confirm.mismatch"
    world.wish(result={"outputs": {}, "changes": {"delete": 1}})
    services.cancel_deployment(world.olga, deployment=deployment.pk)
    deployment = world.planned(kind="destroy")
    world.approve(deployment, confirm="development")
    world.carry_out(deployment)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.verification) == ("succeeded", "passed")
    assert "Read back" in deployment.status_reason


def test_a_destroy_that_left_something_is_not_shown_as_done(world):
    left = {
        "version": 3,
        "deployment": {
            "resources": [{"urn": "urn:x::y::z::memory", "type": "a:b:C", "custom": True}]
        },
    }
    world.wish(result={"outputs": {}, "state": left})
    deployment = world.planned(kind="destroy")
    world.approve(deployment, confirm="development")
    world.carry_out(deployment)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.status_code) == ("failed", "run.incomplete")
    assert "memory" in deployment.status_reason


def test_a_host_that_is_killed_during_an_update_leaves_it_to_recovery(world):
    world.wish(die=True)
    deployment = world.applied()
    run = deployment.runs.get(operation="update")
    assert (run.status, run.exit_message_id) == ("lost", "host.killed")
    assert deployment.status == "needs_recovery"
    assert deployment.status_next_step


def test_a_failure_of_the_engine_carries_its_words_to_the_deployment(world):
    world.wish(
        result={
            "outcome": "failed",
            "code": "port.taken",
            "reason": "Port 8003 on 127.0.0.1 is held by node, pid 4121.",
            "next_step": "Free the port.",
        }
    )
    deployment = world.applied()
    assert (deployment.status, deployment.status_code) == ("failed", "port.taken")
    assert "pid 4121" in deployment.status_reason
    assert world.request().status == "planning"
