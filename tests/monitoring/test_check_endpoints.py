"""Checks over REST: who sees what, and what the verbs refuse."""

import pytest
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.monitoring.models import CheckResult
from apps.monitoring.services import register_check
from tests.conftest import person

pytestmark = pytest.mark.django_db
URL = "/api/v1/monitoring/checks/"


@pytest.fixture
def row(development, olga):
    return register_check(
        actor_for_user(olga),
        environment="development",
        name="site",
        kind="http",
        parameters={"url": "http://127.0.0.1:1/"},
    )


def as_person(user):
    client = APIClient(raise_request_exception=False)
    client.force_login(user)
    return client


def test_a_list_shows_health_with_reason_and_filters_by_it(row, vic):
    client = as_person(vic)
    [shown] = client.get(URL).json()["results"]
    assert shown["health"]["status"] == "unknown"
    assert shown["environment"] == "development"
    assert client.get(f"{URL}?health=healthy").json()["results"] == []
    assert client.get(f"{URL}?health=fine").status_code == 400


def test_results_come_newest_first_with_their_ladder(row, vic):
    for found in ("healthy", "unreachable"):
        CheckResult.objects.create(
            check_row=row, at="2026-01-01T00:00:00Z", found=found, detail=[{"step": "connect"}]
        )
    client = as_person(vic)
    shown = client.get(f"{URL}{row.pk}/results/").json()["results"]
    assert [item["found"] for item in shown] == ["unreachable", "healthy"]
    assert shown[0]["steps"] == [{"step": "connect"}]
    only = client.get(f"{URL}{row.pk}/results/?found=healthy").json()["results"]
    assert [item["found"] for item in only] == ["healthy"]
    assert client.get(f"{URL}{row.pk}/results/?page_size=1").json()["next"]


def test_run_asks_for_a_look_now_and_is_audited(row, olga):
    before = row.next_check_at
    answer = as_person(olga).post(f"{URL}{row.pk}/run/")
    assert answer.status_code == 200
    row.refresh_from_db()
    assert row.next_check_at > before
    assert AuditEvent.objects.filter(event="monitoring.check.requested").exists()


def test_a_paused_check_is_not_looked_at_and_comes_back(row, olga):
    client = as_person(olga)
    assert client.post(f"{URL}{row.pk}/pause/").json()["is_enabled"] is False
    row.refresh_from_db()
    assert row.next_check_at is None
    assert client.post(f"{URL}{row.pk}/enable/").json()["is_enabled"] is True


def test_a_viewer_looks_and_changes_nothing(row, vic):
    answer = as_person(vic).post(f"{URL}{row.pk}/run/")
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission.denied"


def test_a_check_of_another_environment_is_not_found(row, staging):
    client = as_person(person("sten", "operator@staging"))
    assert client.get(URL).json()["results"] == []
    for path in ("", "results/"):
        assert client.get(f"{URL}{row.pk}/{path}").status_code == 404
    for verb in ("run", "pause", "enable"):
        assert client.post(f"{URL}{row.pk}/{verb}/").status_code == 404


def test_a_body_nobody_reads_is_refused(row, olga):
    answer = as_person(olga).post(f"{URL}{row.pk}/run/", {"now": True}, format="json")
    assert answer.status_code == 400
    assert [item["field"] for item in answer.json()["errors"]] == ["now"]
