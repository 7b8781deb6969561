"""A route is changed where it is, at every door: its log, its name and its secret stay."""

import pytest
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid
from apps.core.permissions import system
from apps.monitoring import services
from apps.monitoring.models import AlertRoute
from tests.conftest import person

SCHEDULE = system("schedule")
OLD, NEW = "https://hooks.example.org/old", "https://chat.example.org/new"


@pytest.fixture
def hook(db):
    """A webhook and the secret that signs its messages."""
    given = {"quiet_from": "22:00", "quiet_to": "06:00"}
    return services.make_route(SCHEDULE, name="ops", kind="webhook", address=OLD, **given)


@pytest.fixture
def adam(db):
    return person("adam", "admin")


def now(row):
    row = AlertRoute.objects.get(pk=row.pk)
    clocks = [f"{clock:%H:%M}" if clock else "" for clock in (row.quiet_from, row.quiet_to)]
    return (*row.opened(), row.shown, row.severity, *clocks)


def test_what_is_not_given_stays(hook, adam, actor):
    row, secret = hook
    services.edit_route(actor(adam), route_id=row.pk, severity="critical")
    assert now(row) == (OLD, secret, "https://hooks.example.org/…", "critical", "22:00", "06:00")
    services.edit_route(actor(adam), route_id=row.pk, address=NEW, quiet_from="", quiet_to="")
    assert now(row) == (NEW, secret, "https://chat.example.org/…", "critical", "", "")
    told = AuditEvent.objects.filter(event="monitoring.route.edited")
    assert told.count() == 2
    assert "/new" not in str([event.detail for event in told])


@pytest.mark.parametrize(
    "given",
    [
        {"address": "ftp://example.org/x"},
        {"severity": "loud"},
        {"quiet_from": "late"},
        {"quiet_to": ""},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(hook, adam, actor, given):
    row, _ = hook
    before = now(row)
    with pytest.raises(Invalid) as caught:
        services.edit_route(actor(adam), route_id=row.pk, **{"severity": "info", **given})
    assert caught.value.code == "route.malformed"
    assert now(row) == before


def test_only_who_may_edit_settings_changes_a_route(hook, vic, actor):
    row, _ = hook
    with pytest.raises(Forbidden):
        services.edit_route(actor(vic), route_id=row.pk, severity="critical")


def test_page_and_api_change_it_alike(hook, adam, vic, client):
    row, secret = hook
    client.force_login(adam)
    address = reverse("admin:monitoring_alertroute_edit", args=[row.pk])
    page = client.get(address).content.decode()
    assert 'value="22:00"' in page
    assert OLD not in page
    given = {"severity": "info", "quiet_from": "23:00", "quiet_to": "05:00", "address": ""}
    assert client.post(address, given).status_code == 302
    assert now(row)[0] == OLD
    assert now(row)[3:] == ("info", "23:00", "05:00")
    assert client.post(address, {**given, "quiet_to": ""}).status_code == 400
    answer = client.post(
        f"/api/v1/monitoring/routes/{row.pk}/edit/",
        {"address": NEW},
        content_type="application/json",
    )
    assert answer.json()["shown"] == "https://chat.example.org/…"
    assert now(row)[:2] == (NEW, secret)
    client.force_login(vic)
    assert "disabled" in client.get(address).content.decode()
