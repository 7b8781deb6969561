"""Verified upstream, and for how long: computed from what was deployed there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.deployments import gates
from apps.deployments.identity import Identity
from apps.deployments.models import Deployment
from apps.deployments.soaking import soak_in
from apps.environments.models import Protection
from tests.conftest import make_environment

COMMIT, TREE = "c" * 40, "d" * 64
FOUND = Identity(COMMIT, TREE)


@pytest.fixture
def lower(db):
    return make_environment("development", "development", 10, "teal")


def ran(environment, *, hours_ago, commit=COMMIT, tree=TREE, **keys):
    """A deployment that was applied and ended so long ago."""
    at = timezone.now() - timedelta(hours=hours_ago)
    fields = {
        "status": "succeeded",
        "verification": "passed",
        "revision": {"commit": commit, "program_digest": tree, "branch": "main"},
        "started_at": at,
        "finished_at": at,
    }
    return Deployment.objects.create(environment=environment, **{**fields, **keys})


def wants(environment, hours, *places):
    Protection.objects.filter(environment=environment).update(
        verified_in=list(places), soak_minutes=hours * 60
    )
    environment.refresh_from_db()
    revision = {"commit": COMMIT, "program_digest": TREE, "branch": "main"}
    return Deployment.objects.create(
        environment=environment, status="awaiting_approval", revision=revision
    )


def hours(soak):
    return round(soak.longest / timedelta(hours=1))


def test_what_never_ran_there_is_not_verified(lower, staging):
    row = wants(staging, 0, "development")
    assert [b.code for b in gates.blockers(row)] == ["revision.not_verified"]


@pytest.mark.parametrize(
    "keys",
    [
        {"verification": "failed", "status": "failed"},
        {"verification": "inconclusive"},
        {"commit": "e" * 40},
        {"tree": "e" * 64},
        {"kind": "destroy"},
        {"kind": "refresh"},
    ],
)
def test_only_this_very_revision_with_every_check_passed_counts(lower, staging, keys):
    ran(lower, hours_ago=9, **keys)
    row = wants(staging, 0, "development")
    assert [b.code for b in gates.blockers(row)] == ["revision.not_verified"]


def test_verified_long_enough_it_may_go_on(lower, staging):
    ran(lower, hours_ago=3)
    assert gates.blockers(wants(staging, 2, "development")) == []


def test_one_that_soaks_waits_and_says_until_when(lower, staging):
    row = ran(lower, hours_ago=1)
    (blocker,) = gates.blockers(wants(staging, 2, "development"))
    assert (blocker.code, blocker.waits) == ("revision.soaking", True)
    until = row.finished_at + timedelta(hours=2)
    assert f"{until:%Y-%m-%d %H:%M} UTC" in blocker.detail


def test_one_that_left_too_early_does_not_wait_in_vain(lower, staging):
    ran(lower, hours_ago=5)
    ran(lower, hours_ago=4, tree="9" * 64)
    (blocker,) = gates.blockers(wants(staging, 2, "development"))
    assert (blocker.code, blocker.waits) == ("revision.not_soaked", False)


def test_the_longest_unbroken_time_counts(lower):
    ran(lower, hours_ago=9)
    ran(lower, hours_ago=4, tree="9" * 64)
    ran(lower, hours_ago=2)
    soak = soak_in("development", FOUND)
    assert hours(soak) == 5
    assert soak.since is not None


def test_deploying_it_again_does_not_break_the_time(lower):
    ran(lower, hours_ago=9)
    ran(lower, hours_ago=4)
    assert hours(soak_in("development", FOUND)) == 9


def test_a_failed_verification_takes_away_what_went_before(lower):
    ran(lower, hours_ago=9)
    ran(lower, hours_ago=4, status="failed", verification="failed")
    assert soak_in("development", FOUND) is None
    ran(lower, hours_ago=1)
    assert hours(soak_in("development", FOUND)) == 1


def test_a_verification_revoked_later_counts_as_failed(lower):
    row = ran(lower, hours_ago=9)
    Deployment.objects.filter(pk=row.pk).update(verification="failed")
    assert soak_in("development", FOUND) is None


def test_another_commit_of_the_same_verified_program_is_verified_by_changing_nothing(lower):
    ran(lower, hours_ago=9, commit="a" * 40)
    ran(lower, hours_ago=3, status="unchanged", verification="", started_at=None)
    soak = soak_in("development", FOUND)
    assert hours(soak) == 3
    assert soak.by.status == "unchanged"


def test_changing_nothing_verifies_nothing_that_was_not(lower):
    ran(lower, hours_ago=9, commit="a" * 40, verification="inconclusive")
    ran(lower, hours_ago=3, status="unchanged", verification="", started_at=None)
    assert soak_in("development", FOUND) is None
    Deployment.objects.all().delete()
    ran(lower, hours_ago=9, commit="a" * 40, tree="9" * 64)
    ran(lower, hours_ago=3, status="unchanged", verification="", started_at=None)
    assert soak_in("development", FOUND) is None


def test_any_of_the_named_environments_is_enough(lower, staging):
    integration = make_environment("integration", "integration", 20, "violet")
    ran(integration, hours_ago=1)
    assert gates.blockers(wants(staging, 0, "integration", "development")) == []


def test_a_rollback_was_verified_in_its_own_place(lower, staging):
    row = wants(staging, 2, "development")
    Deployment.objects.filter(pk=row.pk).update(kind="rollback")
    assert gates.blockers(Deployment.objects.get(pk=row.pk)) == []
