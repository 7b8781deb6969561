"""After an update the checks decide: passed, failed, or nobody knows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.deployments.models import Run
from apps.deployments.runner import verification
from apps.monitoring.models import Check, CheckResult


@pytest.fixture
def applied(world):
    deployment = world.applied()
    assert deployment.status == "verifying"
    return deployment


@pytest.fixture
def check(world, applied):
    return Check.objects.create(
        environment=world.environment, name="memory", kind="http", source="deployment"
    )


def found(check, health, at=None):
    CheckResult.objects.create(
        check_row=check, at=at or timezone.now(), found=health, reason=f"it is {health}"
    )


def late(deployment):
    Run.objects.filter(deployment=deployment).update(
        finished_at=timezone.now() - timedelta(hours=1)
    )


def test_every_check_that_answered_since_the_update_passes_it(applied, check):
    assert not verification.verify(applied)
    found(check, "healthy")
    assert verification.verify(applied)
    assert (applied.status, applied.verification) == ("succeeded", "passed")
    assert applied.status_reason == "1 of 1 checks passed."


def test_an_answer_from_before_the_update_does_not_count(applied, check):
    found(check, "healthy", at=timezone.now() - timedelta(minutes=5))
    assert not verification.verify(applied)
    late(applied)
    CheckResult.objects.all().update(at=timezone.now() - timedelta(hours=2))
    assert verification.verify(applied)
    assert (applied.status, applied.verification) == ("succeeded", "inconclusive")


def test_a_check_that_fails_has_until_the_time_limit(applied, check):
    found(check, "unreachable")
    assert not verification.verify(applied)
    late(applied)
    assert verification.verify(applied)
    assert (applied.status, applied.verification) == ("failed", "failed")
    assert "memory (it is unreachable)" in applied.status_reason


def test_the_last_look_counts(applied, check):
    found(check, "unreachable")
    found(check, "healthy")
    assert verification.verify(applied)
    assert applied.verification == "passed"


def test_without_any_check_nobody_knows(applied):
    late(applied)
    assert verification.verify(applied)
    assert (applied.status, applied.verification) == ("succeeded", "inconclusive")


def test_a_persons_own_check_counts_only_as_a_gate(applied, check, world):
    own = Check.objects.create(environment=world.environment, name="own", kind="http")
    found(check, "healthy")
    found(own, "unreachable")
    Check.objects.filter(pk=own.pk).update(is_gate=True)
    assert not verification.verify(applied)
    Check.objects.filter(pk=own.pk).update(is_gate=False)
    assert verification.verify(applied)


def test_a_server_whose_check_is_not_registered_yet_is_waited_for(applied, check):
    Run.objects.filter(operation="update").update(outputs={"mcp_servers": [{}, {}]})
    found(check, "healthy")
    assert not verification.verify(applied)
