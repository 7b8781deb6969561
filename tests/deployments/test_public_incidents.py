"""
Three mistakes that others made in public, tried here. A typo that went to production
(github/branch-deploy, pull request 46), a branch whose name alone chose production
(Financial-Times/k8s-pipeline-library, issue 61), and a build for staging that stood in
production for two days (digitalaidseattle/plymouth-housing, pull request 597).
"""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from apps.core.errors import Invalid, NotFound, Refused
from apps.core.permissions import system
from apps.deployments import gates, services
from apps.deployments.models import Deployment, Run
from apps.deployments.services import requesting
from apps.environments.models import Protection
from apps.environments.services import set_protection
from tests.conftest import make_environment, person
from tests.deployments.conftest import declare

TYPOS = ["prod", "Production", "production ", "producton", "", "development,production", "*"]


@pytest.fixture
def production(world, settings):
    settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION = True
    environment = make_environment("production", "production", 40, "crimson")
    declare(environment)
    return environment


def from_branch(monkeypatch, name):
    monkeypatch.setattr(
        requesting, "revision_to_deploy", lambda *_: {"commit": "a" * 40, "branch": name}
    )


# The first: a typo.


@pytest.mark.parametrize("typo", TYPOS)
def test_a_mistyped_environment_is_an_error_at_every_door(world, production, typo):
    person("otto", "operator")
    for ask in (
        lambda: services.request_deployment(world.olga, environment=typo),
        lambda: services.request_deployment(world.olga, environment=typo, kind="destroy"),
        lambda: services.promote(world.olga, environment=typo, source="development"),
        lambda: services.promote(world.olga, environment="production", source=typo),
        lambda: services.roll_back(world.olga, environment=typo),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.code == "environment.unknown"
    client = APIClient()
    client.force_login(person("ute", "operator"))
    answer = client.post("/api/v1/deployments/", {"environment": typo})
    # An empty text is no text; the space at an end is cut like any form's, and names production.
    if typo.strip() != "production":
        assert answer.status_code in (400, 404)
        assert not Deployment.objects.exists()
    with pytest.raises(CommandError):
        call_command("deploy", typo, "--as", "otto")
    assert not Run.objects.filter(stack__environment__slug="development").exists()


def test_a_rule_cannot_name_an_environment_that_is_not_there(world, production):
    with pytest.raises(Invalid) as caught:
        set_protection(system("test"), environment="production", verified_in=["stagign"])
    assert "stagign" in caught.value.errors["verified_in"]


# The second: a branch's name.


@pytest.mark.parametrize(
    "name", ["production", "main-evil", "evil/main", "refs/heads/main", "Main", "", "main\n"]
)
def test_no_branch_but_the_named_one_reaches_production(world, production, monkeypatch, name):
    Protection.objects.filter(environment=production).update(allowed_branches=["main"])
    from_branch(monkeypatch, name)
    with pytest.raises(Refused) as caught:
        services.request_deployment(world.olga, environment="production")
    assert caught.value.blocked_by[0]["code"] == "branch.not_allowed"
    assert not Deployment.objects.exists()


def test_a_branch_named_like_an_environment_chooses_none(world, production, monkeypatch):
    from_branch(monkeypatch, "production")
    row = world.request()
    assert row.environment.slug == "development"
    assert not Deployment.objects.filter(environment=production).exists()


def test_the_branch_is_looked_at_again_right_before_the_update(world):
    row = world.planned()
    world.approve(row)
    Protection.objects.filter(environment=world.environment).update(allowed_branches=["elsewhere"])
    run = world.carry_out(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("stale", "deployment.blocked")
    assert "elsewhere" in row.status_reason
    assert not run.events.exists()


# The third: the wrong artefact in the right place.


def test_an_artefact_of_another_environment_is_found_out_at_once(world):
    world.wish(result={"outputs": {"environment": "staging"}})
    row = world.applied()
    assert (row.status, row.verification) == ("failed", "failed")
    assert row.status_code == "artefact.other_environment"
    assert "'staging'" in row.status_reason
    assert row.status_next_step


def test_what_carries_a_wrong_label_is_never_promoted(world):
    staging = make_environment("staging", "staging", 30, "bronze")
    declare(staging)
    world.wish(result={"outputs": {"environment": "production"}})
    world.applied()
    with pytest.raises(Refused) as caught:
        services.promote(world.olga, environment="staging", source="development")
    assert caught.value.code == "promotion.not_verified"
    Protection.objects.filter(environment=staging).update(verified_in=["development"])
    last = Deployment.objects.get()
    row = Deployment.objects.create(environment=staging, revision=last.revision)
    fresh = Deployment.objects.get(pk=row.pk)
    assert "revision.not_verified" in [blocker.code for blocker in gates.blockers(fresh)]


def test_the_right_label_goes_on_to_the_checks(world):
    row = world.applied()
    assert (row.status, row.verification) == ("verifying", "running")
    row.move("succeeded", verification="passed", finished_at=timezone.now())
    assert row.runs.get(operation="update").outputs["environment"] == "development"
