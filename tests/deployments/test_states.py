"""Every legal move is made, and every other one is refused, for runs and deployments."""

import itertools

import pytest

from apps.deployments.choices import (
    DEPLOYMENT_OPEN,
    DEPLOYMENT_TRANSITIONS,
    DEPLOYMENT_UNDER_WAY,
    RUN_ACTIVE,
    RUN_TERMINAL,
    RUN_TRANSITIONS,
    DeploymentStatus,
    RunStatus,
)
from apps.deployments.models import Deployment, Run


@pytest.fixture
def run(development):
    return Run.objects.create(stack=development.stack, operation="update", requested_by="olga")


@pytest.fixture
def deployment(development):
    return Deployment.objects.create(environment=development, requested_by="olga")


@pytest.mark.parametrize(("old", "new"), list(itertools.product(RunStatus, RunStatus)))
def test_a_run_moves_only_as_the_table_says(old, new, run):
    Run.objects.filter(pk=run.pk).update(status=old)
    run.refresh_from_db()
    legal = new in RUN_TRANSITIONS[old]
    assert run.move(new) is legal
    assert Run.objects.get(pk=run.pk).status == (new if legal else old)


@pytest.mark.parametrize(
    ("old", "new"), list(itertools.product(DeploymentStatus, DeploymentStatus))
)
def test_a_deployment_moves_only_as_the_table_says(old, new, deployment):
    Deployment.objects.filter(pk=deployment.pk).update(status=old)
    deployment.refresh_from_db()
    legal = new in DEPLOYMENT_TRANSITIONS[old]
    assert deployment.move(new) is legal
    assert Deployment.objects.get(pk=deployment.pk).status == (new if legal else old)


def test_a_move_from_a_status_that_is_gone_changes_nothing(run):
    late = Run.objects.get(pk=run.pk)
    assert run.move(RunStatus.STARTING)
    assert not late.move(RunStatus.CANCELED)
    assert Run.objects.get(pk=run.pk).status == RunStatus.STARTING


def test_a_late_fence_changes_nothing(run):
    Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, fence=8)
    run.refresh_from_db()
    assert not run.move(RunStatus.SUCCEEDED, fence=7)
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING


def test_every_status_can_be_left_or_is_an_end():
    assert {s for s in RunStatus if not RUN_TRANSITIONS[s]} == RUN_TERMINAL
    assert not RUN_ACTIVE & RUN_TERMINAL
    assert DEPLOYMENT_UNDER_WAY < DEPLOYMENT_OPEN
    assert all(DEPLOYMENT_TRANSITIONS[s] for s in DEPLOYMENT_OPEN)
