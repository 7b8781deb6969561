"""Verified is not for ever: a failure while it soaks takes it away, and may roll back by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.deployments import services
from apps.deployments.models import Approval, Deployment, Hold
from apps.deployments.runner import automatic, soak_watch, sweep, verification
from apps.environments.models import Protection
from apps.live.models import Message
from apps.monitoring.models import Check, CheckResult
from tests.conftest import person
from tests.deployments.test_rollback import row_of


@pytest.fixture
def check(world):
    return Check.objects.create(
        environment=world.environment, name="memory", kind="http", source="deployment"
    )


@pytest.fixture
def soaking(world, check):
    """Verified a minute ago, watched for an hour."""
    Protection.objects.update(soak_minutes=60)
    row = row_of(world, "2" * 64, "x = 2\n")
    moment = timezone.now() - timedelta(minutes=1)
    Deployment.objects.filter(pk=row.pk).update(
        finished_at=moment, soak_until=timezone.now() + timedelta(minutes=59)
    )
    row.refresh_from_db()
    return row


def falls(check, health="unreachable", at=None):
    Check.objects.filter(pk=check.pk).update(health=health, health_reason="refused")
    CheckResult.objects.create(check_row=check, at=at or timezone.now(), found=health)


def test_a_passed_verification_soaks_as_long_as_the_environment_asks(world, check):
    Protection.objects.update(soak_minutes=60)
    row = world.applied()
    CheckResult.objects.create(check_row=check, at=timezone.now(), found="healthy")
    assert verification.verify(row)
    assert timedelta(minutes=59) < row.soak_until - timezone.now() <= timedelta(minutes=60)


def test_a_check_that_falls_while_it_soaks_revokes_verified_once(soaking, check):
    assert soak_watch.watch() == 0
    falls(check)
    assert sweep.sweep()["revoked"] == 1
    soaking.refresh_from_db()
    assert (soaking.status, soaking.verification) == ("succeeded", "failed")
    assert soaking.status_code == "verification.revoked"
    assert "memory (refused)" in soaking.status_reason
    assert AuditEvent.objects.get(event="deployments.verification.revoked").object_id == str(
        soaking.pk
    )
    assert Message.objects.filter(topic=f"deployment:{soaking.pk}").exists()
    assert soak_watch.watch() == 0


@pytest.mark.parametrize("health", ["suspect", "unknown", "degraded", "healthy"])
def test_a_hiccup_revokes_nothing(soaking, check, health):
    falls(check, health)
    assert soak_watch.watch() == 0


def test_a_failure_from_before_the_verification_revokes_nothing(soaking, check):
    falls(check, at=timezone.now() - timedelta(minutes=5))
    assert soak_watch.watch() == 0


def test_after_the_soak_nothing_is_revoked(soaking, check):
    Deployment.objects.update(soak_until=timezone.now())
    falls(check)
    assert soak_watch.watch() == 0


def test_what_was_replaced_is_not_blamed_for_its_successor(soaking, check, world):
    row_of(world, "3" * 64, "x = 3\n")
    falls(check)
    assert soak_watch.watch() == 0


def test_a_revoked_revision_is_not_offered_for_a_rollback(soaking, check, world):
    falls(check)
    soak_watch.watch()
    row_of(world, "3" * 64, "x = 3\n")
    with pytest.raises(Exception, match="No earlier verified revision"):
        services.roll_back(world.olga, environment="development")


def verified_then_failed(world, check):
    """A good revision, and after it one that does not pass, both really applied by the twin."""
    world.wish(program="1" * 64)
    good = world.applied()
    good.move("succeeded", verification="passed", finished_at=timezone.now())
    world.wish(program="2" * 64)
    bad = world.applied()
    CheckResult.objects.create(check_row=check, at=timezone.now(), found="unreachable")
    bad.runs.filter(operation="update").update(finished_at=timezone.now() - timedelta(hours=1))
    CheckResult.objects.update(at=timezone.now())
    assert verification.verify(bad)
    assert (bad.status, bad.verification) == ("failed", "failed")
    return good, bad


def test_without_the_switch_nothing_rolls_back_by_itself(world, check):
    verified_then_failed(world, check)
    assert sweep.sweep()["rolled_back"] == 0
    assert not Deployment.objects.filter(kind="rollback").exists()


def test_with_the_switch_a_failed_verification_rolls_back_once_and_never_in_a_loop(
    world, check, monkeypatch
):
    monkeypatch.setattr(automatic.claim, "start", lambda pk: True)
    monkeypatch.setattr(sweep, "start_waiting", lambda: 0)
    good, bad = verified_then_failed(world, check)
    Protection.objects.update(automatic_rollback=True)
    assert sweep.sweep()["rolled_back"] == 1
    row = Deployment.objects.get(kind="rollback")
    assert (row.rolls_back, row.returns_to, row.requested_by) == (bad, good, "automatic rollback")
    assert Hold.objects.standing().get().deployment == bad
    world.carry_out(row)
    assert sweep.sweep()["confirmed"] == 1
    assert Approval.objects.get(deployment=row).by == "automatic rollback"
    world.carry_out(row)
    row.refresh_from_db()
    assert row.status == "verifying"
    # Its own verification fails, too: people take over.
    row.runs.filter(operation="update").update(finished_at=timezone.now() - timedelta(hours=1))
    CheckResult.objects.create(check_row=check, at=timezone.now(), found="unreachable")
    assert verification.verify(row)
    assert (row.status, row.verification) == ("failed", "failed")
    for _ in range(3):
        assert sweep.sweep()["rolled_back"] == 0
    assert Deployment.objects.filter(kind="rollback").count() == 1


def test_where_people_approve_an_automatic_rollback_waits_for_them(world, check, monkeypatch):
    monkeypatch.setattr(sweep, "start_waiting", lambda: 0)
    verified_then_failed(world, check)
    Protection.objects.update(automatic_rollback=True, required_approvals=1)
    sweep.sweep()
    row = Deployment.objects.get(kind="rollback")
    world.carry_out(row)
    assert sweep.sweep()["confirmed"] == 0
    row.refresh_from_db()
    assert row.status == "awaiting_approval"
    ada = actor_for_user(person("ada", "approver"))
    services.approve_deployment(ada, deployment=row.pk, fingerprint=row.fingerprint)
    assert world.fresh(row).status == "applying"


def test_an_automatic_rollback_that_cannot_begin_says_so_and_is_not_tried_again(world, check):
    good, bad = verified_then_failed(world, check)
    Deployment.objects.filter(pk=good.pk).update(verification="inconclusive")
    Protection.objects.update(automatic_rollback=True)
    assert sweep.sweep()["rolled_back"] == 1
    bad.refresh_from_db()
    assert "The automatic rollback did not begin" in bad.status_next_step
    assert AuditEvent.objects.get(event="deployments.rollback.not_begun").environment
    assert sweep.sweep()["rolled_back"] == 0


def test_an_old_failure_is_left_to_people(world, check):
    _, bad = verified_then_failed(world, check)
    Protection.objects.update(automatic_rollback=True)
    Deployment.objects.filter(pk=bad.pk).update(finished_at=timezone.now() - timedelta(hours=1))
    assert sweep.sweep()["rolled_back"] == 0
