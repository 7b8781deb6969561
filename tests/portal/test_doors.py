"""Health, metrics, the API's document, and the shape of every error."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client, override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.actors import actor_for_user
from apps.core.permissions import system
from apps.live.models import Tick
from apps.live.tasks import tick
from apps.monitoring.runner import note_tick
from orchestra_portal import health
from tests.conftest import person
from tests.servers import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture(autouse=True)
def ask_the_broker_anew(monkeypatch):
    monkeypatch.setattr(health, "_broker_said", (0.0, "unasked"))


def test_healthy_needs_all_four(client):
    tick()
    answer = client.get("/api/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "healthy",
        "version": "0.1.0",
        "checks": dict.fromkeys(["database", "broker", "scheduler", "engine"], "passed"),
    }


def test_without_a_tick_the_scheduler_is_not_healthy(client):
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json()["checks"]["scheduler"]) == (
        503,
        "failed: no tick yet",
    )
    Tick.objects.create(name="schedule", at=timezone.now() - timedelta(minutes=5))
    assert "last tick 300 s ago" in client.get("/api/health").json()["checks"]["scheduler"]


@pytest.mark.slow
def test_a_broker_that_is_away_is_told_within_seconds_and_without_its_password(client):
    url = f"amqp://user:canary@127.0.0.1:{free_port()}//"
    with override_settings(CELERY_BROKER_URL=url):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "broker: failed" in answer.content.decode()
    assert "canary" not in answer.content.decode()


def test_a_database_that_is_away_is_told(client, monkeypatch):
    def away(*_):
        raise DatabaseError("canary")

    monkeypatch.setattr(connection, "cursor", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.content.decode().startswith("database: failed: DatabaseError")
    assert client.get("/healthz").status_code == 200


def test_the_schedule_ticks_and_every_task_of_it_exists():
    from orchestra_portal.celery import app
    from orchestra_portal.schedule import SCHEDULE

    app.loader.import_default_modules()
    assert {row["task"] for row in SCHEDULE.values()} <= set(app.tasks)
    assert "apps.live.tasks.tick" in {row["task"] for row in SCHEDULE.values()}


def test_metrics_count_requests_by_route_and_rows_by_status(client, development):
    client.get("/healthz")
    client.get("/nowhere/at/all")
    note_tick()
    text = client.get("/metrics").content.decode()
    assert 'portal_answers_total{route="healthz",status="2xx"}' in text
    assert "nowhere" not in text
    assert "portal_live_sockets 0.0" in text
    assert "portal_probe_rounds_total 1.0" in text
    assert "portal_probe_rounds_missed_total 0.0" in text


@pytest.mark.parametrize(
    "headers", [{"REMOTE_ADDR": "10.1.2.3"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}]
)
def test_metrics_are_not_for_everybody(client, headers):
    assert client.get("/metrics", **headers).status_code == 403


def test_metrics_are_for_a_token_that_may_look_everywhere(client, vic):
    everywhere, here = vic, person("stan", "viewer@staging")
    for user, status in ((everywhere, 200), (here, 403)):
        _, text = services.create_token(
            actor=actor_for_user(user), user=user, name="prometheus", scopes=["read"]
        )
        answer = client.get("/metrics", REMOTE_ADDR="10.1.2.3", HTTP_AUTHORIZATION=f"Bearer {text}")
        assert answer.status_code == status
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer op_a_b").status_code == 403


def test_the_document_comes_as_json_and_yaml(client):
    as_json = client.get("/api/schema/?format=json")
    assert as_json.json()["openapi"].startswith("3.")
    assert "/api/v1/me/" in as_json.json()["paths"]
    assert client.get("/api/schema/?format=yaml").content.startswith(b"openapi: 3.")


def test_the_docs_list_every_operation_and_load_nothing_from_elsewhere(client):
    page = client.get("/api/docs/")
    text = page.content.decode()
    paths = client.get("/api/schema/?format=json").json()["paths"]
    assert len(paths) > 10
    for path in paths:
        assert path in text
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
    assert "style=" not in text
    assert "script-src 'self'" in page["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/nothing/", "/api/v2/me/", "/api/v1/me"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_nobody_knows_is_a_problem_not_a_page(path, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "not_found"
    assert body["instance"] == f"urn:request:{answer['X-Request-ID']}"
    assert {"type", "title", "status", "detail"} <= set(body)


def test_a_page_nobody_knows_stays_a_page(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("a=b", "application/x-www-form-urlencoded", 415),
        ("[]", "application/json", 400),
        ('"text"', "application/json", 400),
        ("null", "application/json", 400),
        ('{"name": "\\u0000"}', "application/json", 400),
        ('{"name": {"$gt": 1}, "scopes": "read"}', "application/json", 400),
    ],
)
def test_a_body_nobody_can_read_is_a_problem(root, body, kind, status):
    client = APIClient()
    client.force_login(root)
    answer = client.post("/api/v1/tokens/", body, content_type=kind)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_method_nobody_offers_is_a_problem(root):
    client = APIClient()
    client.force_login(root)
    answer = client.put("/api/v1/me/", {}, format="json")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


def test_a_bug_is_a_problem_without_its_text(client, root, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("canary")

    monkeypatch.setattr("apps.accounts.api.actor_of", broken)
    client.force_login(root)
    answer = client.get("/api/v1/me/")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "portal.failed"
    assert "canary" not in answer.content.decode()


def test_every_route_of_the_api_asks_who_is_there(client):
    services.create_administrator(actor=system("test"))
    paths = client.get("/api/schema/?format=json").json()["paths"]
    for path, item in paths.items():
        if path == "/api/v1/monitoring/heartbeats/{token}/":
            continue  # the token in the path is what it asks for: see tests/monitoring
        concrete = path.replace("{slug}", "development").replace("{step}", "refresh")
        concrete = concrete.replace("{key}", "a")
        concrete = re.sub(r"\{\w+\}", "1", concrete)
        for method in set(item) & {"get", "post", "put", "patch", "delete"}:
            answer = getattr(client, method)(concrete)
            assert answer.status_code == 401, (method, path, answer.status_code)
