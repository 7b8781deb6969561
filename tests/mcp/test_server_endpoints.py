"""MCP servers over REST."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.mcp.models import ToolDefinition
from tests.conftest import person
from tests.mcp.conftest import server

pytestmark = pytest.mark.django_db
URL = "/api/v1/mcp/servers/"


def as_person(user):
    client = APIClient(raise_request_exception=False)
    client.force_login(user)
    return client


def test_wish_and_health_stand_apart(register, vic):
    register(server())
    [shown] = as_person(vic).get(URL).json()["results"]
    assert (shown["slug"], shown["wish"]) == ("development-memory", "enabled")
    assert shown["health"]["status"] == "unknown"
    assert shown["tools"] == 0


def test_tools_are_the_raw_definitions(register, vic):
    [row] = register(server())
    ToolDefinition.objects.create(
        server=row,
        name="read_graph",
        definition={"name": "read_graph", "x-own": 1},
        digest="d",
        last_seen_at=timezone.now(),
    )
    [tool] = as_person(vic).get(f"{URL}{row.slug}/tools/").json()["results"]
    assert tool["definition"] == {"name": "read_graph", "x-own": 1}
    assert as_person(vic).get(f"{URL}{row.slug}/").json()["tools"] == 1


def test_a_pause_follows_through_to_both_checks(register, olga):
    [row] = register(server())
    answer = as_person(olga).post(f"{URL}{row.slug}/wish/", {"wish": "paused"}, format="json")
    assert answer.json()["wish"] == "paused"
    assert not row.environment.checks.filter(is_enabled=True).exists()
    as_person(olga).post(f"{URL}{row.slug}/wish/", {"wish": "enabled"}, format="json")
    assert row.environment.checks.filter(is_enabled=True).count() == 2


def test_a_wish_nobody_can_have_is_refused(register, olga):
    [row] = register(server())
    answer = as_person(olga).post(f"{URL}{row.slug}/wish/", {"wish": "retired"}, format="json")
    assert answer.status_code == 400


def test_check_now_needs_the_right(register, vic, olga):
    [row] = register(server())
    assert as_person(vic).post(f"{URL}{row.slug}/check/").status_code == 403
    assert as_person(olga).post(f"{URL}{row.slug}/check/").status_code == 200


def test_a_server_of_another_environment_is_not_found(register, staging):
    [row] = register(server())
    client = as_person(person("sten", "operator@staging"))
    assert client.get(URL).json()["results"] == []
    for path in ("", "tools/"):
        assert client.get(f"{URL}{row.slug}/{path}").status_code == 404
    assert client.post(f"{URL}{row.slug}/check/").status_code == 404
    answer = client.post(f"{URL}{row.slug}/wish/", {"wish": "paused"}, format="json")
    assert answer.status_code == 404
