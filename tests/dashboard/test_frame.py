"""The counts in the header and the sidebar, and the address that renders them alone."""

import pytest
from django.db import connection

from apps.accounts.actors import actor_for_user
from apps.dashboard import framing
from apps.dashboard.framing import waiting
from apps.dashboard.places import beside_the_healthy
from apps.environments.models import Environment, Protection
from apps.monitoring.models import Check


@pytest.fixture
def two(staging, development, deployment, olga):
    """One that anybody with the right confirms, one that asks for another's approval."""
    Protection.objects.filter(environment=staging).update(required_approvals=1)
    deployment(development, "awaiting_approval", requested_by_id=olga.pk)
    deployment(staging, "awaiting_approval", requested_by_id=olga.pk)


def test_what_awaits_you_is_what_you_may_decide(two, olga, ada, vic, root):
    found = {who.username: waiting(actor_for_user(who)) for who in (olga, ada, vic, root)}
    assert {name: (row.total, row.yours) for name, row in found.items()} == {
        "olga": (2, 1),
        "ada": (2, 1),
        "vic": (2, 0),
        "root": (2, 2),
    }


def test_the_frame_alone_has_the_parts_of_every_page(client, olga, two):
    import re

    client.force_login(olga)
    parts = re.compile(r'data-fragment="((?:head|side|health)-[^"]+)"')
    alone = client.get("/admin/frame/").content.decode()
    whole = client.get("/admin/environments/port/").content.decode()
    assert set(parts.findall(whole)) <= set(parts.findall(alone))
    assert "head-approvals" in parts.findall(whole)
    assert 'title="2 await a decision, 1 yours"' in alone


def test_the_frame_is_for_those_who_are_logged_in(client, db):
    assert client.get("/admin/frame/").status_code == 302


def test_a_frame_names_the_highest_environments_and_counts_all(
    client, olga, development, staging, production, monkeypatch
):
    Check.objects.create(
        environment=development, name="a", kind="tcp", health="unreachable", is_enabled=True
    )
    client.force_login(olga)
    whole = client.get("/admin/environments/port/").content.decode()
    assert "environments-development" in whole
    assert "Lower ones" not in whole
    monkeypatch.setattr(framing, "MOST_PLACES", 2)
    text = client.get("/admin/environments/port/").content.decode()
    order = [text.index(f'id="environments-{name}"') for name in ("staging", "production")]
    assert order == sorted(order)
    assert "environments-development" not in text
    assert "Lower ones" in text
    assert 'title="1 in trouble"' in text
    client.logout()
    assert "development" not in client.get("/admin/login/").content.decode()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's words for a plan")
def test_the_frame_asks_for_the_health_of_an_environment_in_the_order_of_an_index(db):
    plan = beside_the_healthy(Environment.objects.order_by("-rank")[:50]).explain()
    assert "check_health_of (health=? AND environment_id>?)" in plan
    assert "TEMP B-TREE" not in plan
