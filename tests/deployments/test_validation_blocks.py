"""Validated before the plan and before its update: failures block, warnings show."""

import pytest
from django.urls import reverse

from apps.core.errors import Refused
from apps.deployments import gates, services
from apps.deployments.models import Deployment
from apps.environments.choices import Occasion
from apps.environments.models import Setting, Validation
from apps.environments.services import set_setting, validate_environment


def untyped(world, value="yes"):
    """A value that slipped past the door."""
    Setting.objects.filter(environment=world.environment, key="mcp_enabled").update(value=value)


def test_a_plan_carries_its_validation(world):
    row = world.planned()
    assert row.validation.occasion == Occasion.PLAN
    assert row.validation.by.startswith("run ")
    assert row.status == "awaiting_approval"
    assert gates.blockers(row) == []
    codes = {item["code"] for item in row.validation.items}
    assert "settings.complete" in codes
    assert not any(code.startswith(("engine.", "backend.", "branch.")) for code in codes)


def test_what_failed_is_named_as_blocked_by_and_nobody_can_apply_it(world, client, olga_person):
    untyped(world)
    row = world.planned()
    (blocker,) = gates.blockers(row)
    assert blocker.code == "settings.malformed"
    assert "mcp_enabled takes yes or no" in blocker.detail
    with pytest.raises(Refused) as refusal:
        world.approve(row)
    assert refusal.value.code == "deployment.blocked"
    assert refusal.value.blocked_by[0]["code"] == "settings.malformed"
    client.force_login(olga_person)
    body = client.get(f"/api/v1/deployments/{row.pk}/").json()
    assert [entry["code"] for entry in body["blocked_by"]] == ["settings.malformed"]
    text = client.get(reverse("admin:deployments_deployment_change", args=[row.pk])).content
    assert b"settings.malformed" in text
    assert b"mcp_enabled takes yes or no" in text


@pytest.fixture
def olga_person(world):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username="olga")


def test_a_new_validation_opens_the_gate_when_it_is_mended(world, olga_person):
    untyped(world)
    row = world.planned()
    untyped(world, value=False)
    assert gates.blockers(row)
    validate_environment(world.olga, environment="development", leave_out=("engine",))
    assert gates.blockers(row) == []


def test_warnings_are_shown_on_the_plan_and_before_it_is_applied(world, client, olga_person):
    set_setting(world.olga, environment="development", key="mail", value={"password": "in clear"})
    row = world.planned()
    assert gates.blockers(row) == []
    client.force_login(olga_person)
    page = client.get(reverse("admin:deployments_deployment_change", args=[row.pk]))
    assert "mail.password looks like a credential" in page.content.decode()
    ask = client.get(reverse("admin:deployments_deployment_apply", args=[row.pk]))
    assert "Warning: The setting mail.password" in ask.content.decode()
    body = client.get(f"/api/v1/deployments/{row.pk}/").json()
    assert body["warnings"][0]["code"] == "settings.credential"


def test_what_breaks_after_the_approval_stops_the_update_before_it_begins(world, monkeypatch):
    from apps.environments.validation import failed, registry

    row = world.planned()
    world.approve(row)

    def broken(_subject):
        yield failed("database.unreachable", "Database", "It is gone.", "Start it.")

    look = registry.Registered("database", 30, "because", broken)
    monkeypatch.setitem(registry._environment, "database", look)
    run = world.carry_out(world.fresh(row))
    assert run.operation == "update"
    row = world.fresh(row)
    assert row.status == "stale"
    assert row.status_code == "deployment.blocked"
    assert "Nothing was applied: It is gone. Start it." in row.status_reason
    assert row.validation.occasion == Occasion.UPDATE


def test_a_destroy_needs_no_valid_environment(world):
    untyped(world)
    row = world.planned(kind="destroy")
    assert row.validation is None
    assert gates.blockers(row) == []
    assert not Validation.objects.exists()


def test_a_new_plan_is_validated_anew(world):
    untyped(world)
    row = world.planned()
    first = row.validation_id
    untyped(world, value=False)
    services.replan_deployment(world.olga, deployment=row.pk)
    world.carry_out(row)
    row = Deployment.objects.get(pk=row.pk)
    assert row.validation_id > first
    assert gates.blockers(row) == []
