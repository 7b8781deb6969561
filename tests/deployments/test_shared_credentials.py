"""A credential or an address of two environments stands at the gates of a deployment, by name."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.core.errors import Refused
from apps.deployments import gates
from apps.deployments.models import Deployment
from apps.environments.models import Setting
from apps.environments.services import (
    explain_production_host,
    explain_sharing,
    set_secret,
    validate_environment,
)
from tests.conftest import make_environment, person
from tests.deployments.conftest import declare

VALUE = "canary-of-two"


@pytest.fixture
def root(world):
    return person("root", superuser=True)


@pytest.fixture
def shared(world, root):
    """The very credential of production in development, which nobody explained."""
    declare(make_environment("production", "production", 40, "crimson"))
    for slug in ("development", "production"):
        set_secret(actor_for_user(root), environment=slug, key="api_key", value=VALUE)
    return actor_for_user(root)


def test_a_credential_of_production_stops_the_deployment_at_every_door(
    world, shared, root, client, monkeypatch
):
    row = world.planned()
    detail = "api_key has the same value as api_key of production."
    with pytest.raises(Refused) as caught:
        world.approve(row)
    assert (caught.value.code, caught.value.blocked_by[0]["code"]) == (
        "deployment.blocked",
        "secret.shared",
    )
    assert detail in caught.value.detail
    assert "let an admin explain it" in caught.value.detail
    client.force_login(root)
    page = client.get(reverse("admin:deployments_deployment_change", args=[row.pk]))
    assert detail in page.content.decode()
    api = APIClient()
    api.force_login(root)
    told = api.get(f"/api/v1/deployments/{row.pk}/").json()["blocked_by"]
    assert [entry["code"] for entry in told] == ["secret.shared"]
    answer = api.post(
        f"/api/v1/deployments/{row.pk}/approve/", headers={"If-Match": f'"{row.fingerprint}"'}
    )
    assert (answer.status_code, answer.json()["blocked_by"]) == (409, told)
    out = StringIO()
    with pytest.raises((CommandError, SystemExit)):
        call_command("validate_environment", "development", "--as", "root", stdout=out)
    assert detail in out.getvalue()
    assert VALUE not in page.content.decode() + out.getvalue() + str(told)


def test_whoever_may_explains_it_and_the_deployment_goes_on(world, shared):
    row = world.planned()
    explain_sharing(
        shared, environment="development", place="api_key", other="production", note="one account"
    )
    validate_environment(shared, environment="development", leave_out=("engine",))
    assert gates.blockers(row) == []
    world.approve(row)
    assert world.carry_out(row).status == "succeeded"


def test_between_lower_environments_it_is_named_before_the_deployment(world, root, client):
    declare(make_environment("staging", "staging", 30, "bronze"))
    for slug in ("development", "staging"):
        set_secret(actor_for_user(root), environment=slug, key="api_key", value=VALUE)
    row = world.planned()
    assert gates.blockers(row) == []
    client.force_login(root)
    for name in ("change", "apply"):
        page = client.get(reverse(f"admin:deployments_deployment_{name}", args=[row.pk]))
        assert "api_key has the same value as api_key of staging" in page.content.decode()


def test_a_host_of_production_that_came_in_behind_the_door_stops_the_deployment(world, root):
    Setting.objects.create(
        environment=world.environment,
        key="hook",
        kind="structure",
        value={"url": "https://hooks.production.example.com/"},
    )
    row = world.planned()
    (blocker,) = gates.blockers(row)
    assert blocker.code == "settings.production_value"
    assert "hook.url names hooks.production.example.com" in blocker.detail
    explain_production_host(
        actor_for_user(root),
        environment="development",
        host="hooks.production.example.com",
        note="read only",
    )
    validate_environment(world.olga, environment="development", leave_out=("engine",))
    assert gates.blockers(Deployment.objects.get(pk=row.pk)) == []
