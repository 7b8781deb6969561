"""Incidents, routes, alerts and targets over REST."""

import pytest
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.monitoring import services
from apps.monitoring.models import AlertRoute, Check, Delivery, Incident
from tests.conftest import person

pytestmark = pytest.mark.django_db
BASE = "/api/v1/monitoring/"


def as_person(user):
    client = APIClient(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def incident(production, olga):
    return services.raise_alarm(
        actor_for_user(olga), environment="production", name="stop_the_line", reason="because"
    )


def alert(status="firing", fingerprint="ab12", start="2026-01-01T00:00:00Z", **labels):
    labels = {"alertname": "ThingDown", "environment": "production", "name": "memory"} | labels
    return {
        "status": status,
        "fingerprint": fingerprint,
        "startsAt": start,
        "labels": labels,
        "annotations": {"summary": "memory is down."},
        "generatorURL": "http://prometheus",
    }


def post_alerts(client, *alerts):
    body = {"version": "4", "groupKey": "{}", "alerts": list(alerts)}
    return client.post(f"{BASE}alerts/", body, format="json")


def test_incidents_are_listed_filtered_and_acknowledged(incident, olga):
    client = as_person(olga)
    [shown] = client.get(f"{BASE}incidents/?status=open&environment=production").json()["results"]
    assert (shown["thing"], shown["severity"]) == ("stop the line", "critical")
    assert client.get(f"{BASE}incidents/?status=closed").json()["results"] == []
    url = f"{BASE}incidents/{incident.pk}/"
    assert (
        client.post(f"{url}acknowledge/", {"comment": "On it."}).json()["status"] == "acknowledged"
    )
    again = client.post(f"{url}acknowledge/")
    assert (again.status_code, again.json()["code"]) == (409, "incident.acknowledged")
    assert client.post(f"{url}silence/", {"minutes": 5}).json()["silenced_until"]
    assert client.post(f"{url}silence/", {"minutes": 999_999}).status_code == 400
    assert client.post(f"{url}close/").json()["status"] == "closed"
    lines = client.get(f"{url}timeline/").json()["results"]
    kinds = [line["kind"] for line in lines]
    assert kinds == ["silent", "closed", "silenced", "acknowledged", "opened"]


def test_a_viewer_and_a_stranger_get_their_no(incident, vic):
    url = f"{BASE}incidents/{incident.pk}/"
    assert as_person(vic).post(f"{url}acknowledge/").status_code == 403
    stranger = as_person(person("dev", "operator@development"))
    assert stranger.get(url).status_code == 404
    assert stranger.post(f"{url}silence/", {"minutes": 5}).status_code == 404
    assert stranger.get(f"{BASE}incidents/").json()["results"] == []


def test_a_route_shows_its_secret_once_and_its_address_never(root):
    client = as_person(root)
    body = {"name": "chat", "kind": "webhook", "address": "https://example.org/hook/t0ken"}
    made = client.post(f"{BASE}routes/", body)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    shown = client.get(f"{BASE}routes/{made.json()['id']}/").content.decode()
    assert "t0ken" not in shown
    assert "whsec_" not in shown
    url = f"{BASE}routes/{made.json()['id']}/"
    assert client.post(f"{url}disable/").json()["is_enabled"] is False
    assert client.post(f"{url}enable/").json()["is_enabled"] is True
    assert client.post(f"{url}test/").json()["event"] == "route.test"
    [sent] = client.get(f"{BASE}deliveries/?route=chat&status=queued").json()["results"]
    assert sent["message_id"] == Delivery.objects.get().message_id
    assert client.post(f"{BASE}routes/", body).json()["code"] == "route.exists"
    assert client.post(f"{BASE}routes/", {**body, "address": "nowhere"}).status_code == 400
    assert client.delete(url).status_code == 204
    assert not AlertRoute.objects.exists()


def test_an_alert_opens_once_resolves_once_and_is_not_opened_by_its_echo(production, olga):
    client = as_person(olga)
    assert post_alerts(client, alert()).json() == {"opened": 1, "closed": 0, "known": 0}
    assert post_alerts(client, alert()).json() == {"opened": 0, "closed": 0, "known": 1}
    incident = Incident.objects.get()
    assert (incident.source, incident.thing) == ("alert", "ThingDown memory")
    assert post_alerts(client, alert("resolved")).json()["closed"] == 1
    assert post_alerts(client, alert("resolved"), alert()).json()["known"] == 2
    assert post_alerts(client, alert(start="2026-01-02T00:00:00Z")).json()["opened"] == 1
    late = post_alerts(client, alert("resolved"))
    assert late.json()["known"] == 1
    assert Incident.objects.open().count() == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"version": "3", "alerts": []},
        {"version": "4", "alerts": [alert() | {"fingerprint": "<b>"}]},
        {"version": "4", "alerts": [alert(environment="")]},
        {"version": "4"},
    ],
)
def test_what_is_no_alert_is_refused(production, olga, bad):
    assert as_person(olga).post(f"{BASE}alerts/", bad, format="json").status_code == 400
    assert not Incident.objects.exists()


def test_alerts_need_a_login_a_right_and_an_environment_that_is_seen(production, vic):
    assert post_alerts(APIClient(), alert()).status_code == 401
    assert post_alerts(as_person(vic), alert()).status_code == 403
    assert post_alerts(as_person(vic), alert(environment="nowhere")).status_code == 404
    assert not Incident.objects.exists()


def test_the_targets_are_what_the_environments_hold(production, development, vic):
    for name, kind, parameters in [
        ("site", "http", {"url": "https://example.org/health"}),
        ("memory", "mcp", {"url": "http://[::1]:8003/mcp"}),
        ("inference", "mcp", {"url": "https://example.org/mcp"}),
        ("port", "tcp", {"host": "127.0.0.1", "port": 5432}),
        ("disk", "disk", {"path": "/"}),
    ]:
        Check.objects.create(
            environment=production, name=name, kind=kind, parameters=parameters, health="healthy"
        )
    off = {"url": "http://127.0.0.1/"}
    Check.objects.create(
        environment=production, name="off", kind="http", parameters=off, is_enabled=False
    )
    found = as_person(vic).get(f"{BASE}targets/?environment=production")
    assert found["Content-Type"] == "application/json"
    assert [(each["targets"], each["labels"]["__param_module"]) for each in found.json()] == [
        (["https://example.org/health"], "http_2xx"),
        (["[::1]:8003"], "tcp_connect"),
        (["example.org:443"], "tcp_connect"),
        (["127.0.0.1:5432"], "tcp_connect"),
    ]
    assert as_person(vic).get(f"{BASE}targets/?environment=development").json() == []
    stranger = as_person(person("dev", "operator@development"))
    assert stranger.get(f"{BASE}targets/").json() == []
