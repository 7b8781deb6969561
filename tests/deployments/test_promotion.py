"""Promotion: exactly what is verified below, under the configuration above, shown before it is."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound, Refused
from apps.deployments import gates, services
from apps.deployments.identity import identity_of
from apps.deployments.models import Deployment
from apps.environments.models import Protection, Setting
from apps.environments.services import set_secret, set_setting
from tests.conftest import make_environment, person
from tests.deployments.conftest import declare

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def staging(world):
    environment = make_environment("staging", "staging", 30, "bronze")
    declare(environment)
    return environment


def verified(world, row=None, **wish):
    """A deployment, applied and verified."""
    world.wish(**wish)
    row = row or world.applied()
    assert row.status == "verifying", row.status_reason
    row.move("succeeded", verification="passed", finished_at=timezone.now())
    return row


def promote(world, **keys):
    return services.promote(
        world.olga, **{"environment": "staging", "source": "development", **keys}
    )


def refusal(world, **keys):
    with pytest.raises(Refused) as caught:
        promote(world, **keys)
    assert not Deployment.objects.filter(environment__slug="staging").exists()
    return caught.value


def settled(world, row):
    world.carry_out(row)
    row.refresh_from_db()
    return row


def test_the_same_commit_and_the_same_program_arrive_whatever_is_here_meanwhile(
    world, staging, settings
):
    below = verified(world, program=ONE)
    # The installation moved on: a plan of its own program would be of another.
    world.wish(program=TWO)
    row = settled(world, promote(world))
    assert row.status == "awaiting_approval", row.status_reason
    assert row.promoted_from == below
    assert identity_of(row.revision) == identity_of(below.revision)
    assert row.fingerprint_parts["program_digest"] == ONE
    assert row.fingerprint_parts["commit"] == below.revision["commit"]
    world.approve(row)
    row = settled(world, row)
    assert row.status == "verifying", row.status_reason
    assert row.kept.program_digest == ONE
    assert AuditEvent.objects.filter(event="deployments.promotion.requested").count() == 1


def test_the_configuration_is_the_targets_own_and_both_differences_are_kept(world, staging, root):
    us = actor_for_user(root)
    set_setting(us, environment="development", key="own_key", value="below")
    set_secret(us, environment="development", key="api_key", value="canary-below")
    verified(world, program=ONE, source="x = 1\n")
    set_setting(us, environment="staging", key="own_key", value="above {home}")
    set_secret(us, environment="staging", key="api_key", value="canary-above")
    set_secret(us, environment="staging", key="api_key", value="canary-newer")
    set_setting(us, environment="staging", key="repeats", value="has canary-newer in it")
    row = settled(world, promote(world))
    told = {entry["path"]: (entry["now"], entry["then"]) for entry in row.promotion["settings"]}
    assert told["own_key"] == ("below", "above {home}")
    assert told["api_key"] == ("secret, version 1", "secret, version 2")
    assert "canary" not in json.dumps(row.promotion)
    assert "environment" not in told
    assert row.configuration["orchestra:own_key"]["value"].startswith("above")
    assert row.promotion["replaces"] is None
    verified(world, settled(world, applied(world, row)), program=TWO, source="x = 2\ny = 3\n")
    verified(world, program=TWO, source="x = 2\ny = 3\n")
    second = promote(world)
    assert second.promotion["replaces"] == row.pk
    assert second.promotion["files"] == [
        {"path": "__main__.py", "change": "changed", "added": 2, "removed": 1}
    ]


def applied(world, row):
    world.approve(row)
    return row


def test_what_is_not_verified_below_is_refused_and_named(world, staging):
    error = refusal(world)
    assert error.code == "promotion.nothing_deployed"
    row = world.applied()
    row.move("succeeded", verification="inconclusive", finished_at=timezone.now())
    error = refusal(world)
    assert error.code == "promotion.not_verified"
    assert error.blocked_by[0]["deployment"] == row.pk
    assert error.blocked_by[0]["verification"] == "inconclusive"


def test_an_older_verified_revision_is_not_what_runs_below(world, staging):
    verified(world, program=ONE)
    world.wish(program=TWO)
    world.applied().move("failed", verification="failed", finished_at=timezone.now())
    assert refusal(world).code == "promotion.not_verified"


def test_the_order_of_environments_holds(world, staging):
    make_environment("production", "production", 40, "crimson")
    verified(world)
    Protection.objects.filter(environment__slug="production").update(verified_in=["staging"])
    for source, environment in (
        ("staging", "development"),
        ("development", "development"),
        ("development", "production"),
    ):
        with pytest.raises(Refused) as caught:
            promote(world, source=source, environment=environment)
        assert caught.value.code == "promotion.order"
        assert caught.value.blocked_by


@pytest.mark.parametrize("keys", [{"environment": "prod"}, {"source": "dev"}])
def test_an_unknown_name_is_an_error_and_never_a_default(world, staging, keys):
    verified(world)
    with pytest.raises(NotFound) as caught:
        promote(world, **keys)
    assert caught.value.code == "environment.unknown"
    assert "development, staging" in caught.value.detail


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"allowed_branches": ["nowhere"]}, "branch.not_allowed"),
        ({"required_evidence": ["tests"]}, "evidence.missing"),
    ],
)
def test_what_the_rules_above_have_against_it_refuses_with_code_and_blocker(
    world, staging, rule, code
):
    verified(world)
    Protection.objects.filter(environment=staging).update(**rule)
    error = refusal(world)
    assert (error.code, error.blocked_by[0]["code"]) == ("deployment.blocked", code)


def test_a_rejected_revision_is_not_promoted(world, staging, ada):
    row = verified(world)
    services.reject_revision(
        actor_for_user(ada), revision=identity_of(row.revision), reason="It leaks."
    )
    assert refusal(world).blocked_by[0]["code"] == "revision.rejected"


def test_one_that_soaks_is_planned_approved_and_waits(world, staging):
    verified(world)
    Protection.objects.filter(environment=staging).update(
        verified_in=["development"], soak_minutes=120
    )
    row = settled(world, promote(world))
    world.approve(row)
    row.refresh_from_db()
    assert (row.status, row.status_code) == ("scheduled", "revision.soaking")
    earlier = timezone.now() - timedelta(hours=3)
    Deployment.objects.filter(environment=world.environment).update(finished_at=earlier)
    assert gates.blockers(Deployment.objects.get(pk=row.pk)) == []


def test_a_verification_that_fails_below_stops_it_right_before_the_update(world, staging):
    below = verified(world)
    row = settled(world, promote(world))
    world.approve(row)
    Deployment.objects.filter(pk=below.pk).update(verification="failed")
    row = settled(world, row)
    assert (row.status, row.status_code) == ("stale", "deployment.blocked")
    assert "not verified in development any more" in row.status_reason


def test_a_kept_program_that_was_changed_on_disk_is_named_and_not_applied(world, staging, settings):
    below = verified(world, program=ONE)
    row = settled(world, promote(world))
    row.revision["program_digest"] = TWO
    row.save(update_fields=["revision"])
    (blocker,) = gates.blockers(Deployment.objects.get(pk=row.pk))
    assert blocker.code == "promotion.other_program"
    assert str(below.pk) in blocker.detail


def test_one_whose_program_was_not_kept_says_what_to_do(world, staging, settings):
    verified(world, program=ONE)
    for file in (Path(settings.ORCHESTRA_HOME) / "programs" / ONE).iterdir():
        file.unlink()
    assert refusal(world).code == "promotion.not_kept"


def test_planning_a_promotion_again_keeps_its_revision(world, staging):
    verified(world, program=ONE)
    row = settled(world, promote(world))
    world.wish(program=TWO)
    services.replan_deployment(world.olga, deployment=row.pk)
    row = settled(world, row)
    assert row.fingerprint_parts["program_digest"] == ONE


def test_a_right_above_is_needed(world, staging):
    verified(world)
    local = person("lea", "operator@development", "viewer@staging")
    with pytest.raises(Forbidden):
        services.promote(actor_for_user(local), environment="staging", source="development")


def test_rest_promotes_and_refuses_by_code(world, staging):
    client = APIClient()
    client.force_login(person("otto", "operator"))
    place = "/api/v1/environments/staging/promote/"
    answer = client.post(place, {"from": "development"})
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion.nothing_deployed")
    below = verified(world)
    answer = client.post(place, {"from": "dev"})
    assert (answer.status_code, answer.json()["code"]) == (404, "environment.unknown")
    assert client.post(place, {}).status_code == 400
    answer = client.post(place, {"from": "development", "reason": "up"})
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["promoted_from"], body["promotion"]["from"]) == (below.pk, "development")
    assert body["revision"]["commit"] == below.revision["commit"]


def test_the_admin_shows_both_differences_before_and_after(world, staging, client):
    client.force_login(person("otto", "operator"))
    page = client.get("/admin/environments/development/").content.decode()
    assert "is not verified" in page
    verified(world, program=ONE)
    Setting.objects.create(environment=staging, key="own_key", kind="text", value="<above>")
    place = "/admin/deployments/deployment/promote/development/staging/"
    assert place in client.get("/admin/environments/development/").content.decode()
    page = client.get(place).content.decode()
    assert "&lt;above&gt;" in page
    assert "Nothing runs in staging yet" in page
    answer = client.post(place, {"reason": "up"})
    assert answer.status_code == 302
    page = client.get(answer["Location"]).content.decode()
    assert "verified by" in page
    assert "&lt;above&gt;" in page
    wrong = "/admin/deployments/deployment/promote/staging/development/"
    assert "disabled" in client.get(wrong).content.decode()
    assert client.post(wrong).status_code == 409
    assert client.get(place.replace("staging", "prod")).status_code == 404


def test_the_command_promotes_and_says_why_not(world, staging, capsys):
    person("otto", "operator")
    with pytest.raises(CommandError, match="Nothing is deployed"):
        call_command("promote", "development", "staging", "--as", "otto")
    verified(world)
    call_command("promote", "development", "staging", "--as", "otto")
    assert "deploy staging" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no environment prod"):
        call_command("promote", "development", "prod", "--as", "otto")
