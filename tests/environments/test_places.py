"""Environments, ports, freezes, and the seed."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.environments.models import Environment, Port
from apps.environments.services import (
    allocate_port,
    create_environment,
    freeze_environment,
    lift_freeze,
    release_port,
    set_protection,
)


def test_crimson_is_kept_for_production(root, actor):
    with pytest.raises(Invalid) as refusal:
        create_environment(
            actor(root), slug="lab", name="Lab", tier="development", rank=5, colour="crimson"
        )
    assert refusal.value.code == "environment.colour"


def test_a_second_environment_of_the_same_name_is_refused(development, root, actor):
    with pytest.raises(Refused) as refusal:
        create_environment(
            actor(root), slug="development", name="D", tier="development", rank=5, colour="teal"
        )
    assert refusal.value.code == "environment.exists"


def test_a_port_has_one_owner_and_the_refusal_names_it(development, staging, olga, actor):
    who = actor(olga)
    claim = {"host": "127.0.0.1", "port": 8003}
    allocate_port(who, environment="development", owner="memory", **claim)
    allocate_port(who, environment="development", owner="memory", **claim)
    with pytest.raises(Refused) as refusal:
        allocate_port(who, environment="staging", owner="memory", **claim)
    assert refusal.value.code == "port.taken"
    assert "belongs to memory (development)" in refusal.value.text
    assert "8004 is free" in refusal.value.text
    release_port(who, environment="development", host="127.0.0.1", port=8003)
    allocate_port(who, environment="staging", owner="memory", **claim)


def test_a_freeze_ends_once(development, ada, actor):
    ends = timezone.now() + timedelta(hours=1)
    row = freeze_environment(actor(ada), environment="development", reason="year end", ends_at=ends)
    assert lift_freeze(actor(ada), freeze=row.pk).lifted_by == "ada"
    with pytest.raises(Refused):
        lift_freeze(actor(ada), freeze=row.pk)


def test_a_freeze_that_ends_before_it_starts_is_refused(development, ada, actor):
    with pytest.raises(Invalid):
        freeze_environment(
            actor(ada), environment="development", reason="x", ends_at=timezone.now()
        )


def test_rules_are_an_admins_and_an_unknown_rule_is_named(development, olga, root, actor):
    with pytest.raises(Forbidden):
        set_protection(actor(olga), environment="development", required_approvals=0)
    with pytest.raises(Invalid) as refusal:
        set_protection(actor(root), environment="development", aprovals=1)
    assert "aprovals" in refusal.value.text


def test_the_seed_makes_four_environments_once(db):
    call_command("seed", verbosity=0)
    ports = list(Port.objects.values_list("host", "port", "owner"))
    audited = AuditEvent.objects.count()
    call_command("seed", verbosity=0)
    assert list(Environment.objects.values_list("slug", flat=True)) == [
        "development",
        "integration",
        "staging",
        "production",
    ]
    assert list(Port.objects.values_list("host", "port", "owner")) == ports
    assert AuditEvent.objects.count() == audited
    assert ("127.0.0.1", 8003, "memory") in ports
    assert Environment.objects.get(slug="production").protection.typed_confirmation
