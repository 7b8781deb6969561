"""Environments, settings and secrets over REST."""

import pytest
from rest_framework.test import APIClient

from apps.environments.models import Secret, Setting
from apps.environments.services import set_setting

VALUE = "canary-secret-0815"
BASE = "/api/v1/environments/"


@pytest.fixture
def client():
    def as_(user):
        made = APIClient()
        made.force_authenticate(user)
        made.force_login(user)
        return made

    return as_


def test_lists_the_environments_one_may_see(development, production, olga, mallory, client):
    rows = client(olga).get(BASE).json()["results"]
    assert {row["slug"] for row in rows} == {"development", "production"}
    assert client(mallory).get(BASE).json()["results"] == []


def test_one_environment_tells_what_it_holds_and_how_it_is(development, olga, actor, client):
    database = {"kind": "sqlite", "path": "{home}/x.sqlite3"}
    set_setting(actor(olga), environment="development", key="database", value=database)
    row = client(olga).get(f"{BASE}development/").json()
    assert row["layers"] == {"database": "sqlite", "mcp": [], "gpu": None, "monitoring": []}
    assert row["status"] == "free"
    assert row["health"]["status"] == "unknown"
    nobody = {"status": "unknown", "checked_at": None, "changes": {}, "run": None, "looking": None}
    assert row["drift"] == nobody
    assert row["current_deployment"] is None
    assert row["frozen"] is None
    assert row["protections"]["required_approvals"] == 0


def test_an_environment_nobody_may_see_is_not_there(development, mallory, client):
    answer = client(mallory).get(f"{BASE}development/")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_puts_reads_and_removes_a_setting(development, olga, client):
    door, address = client(olga), f"{BASE}development/settings/gpu_instance_type/"
    assert door.put(address, {"value": "gpu_1x_a10"}).status_code == 200
    rows = door.get(f"{BASE}development/settings/").json()
    assert [(row["key"], row["value"], row["changed_by"]) for row in rows] == [
        ("gpu_instance_type", "gpu_1x_a10", "olga")
    ]
    assert door.delete(address).status_code == 204
    assert not Setting.objects.exists()
    assert door.delete(address).json()["code"] == "setting.unknown"


def test_a_malformed_setting_is_refused_by_field(development, olga, client):
    answer = client(olga).put(f"{BASE}development/settings/mcp_enabled/", {"value": "yes"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "settings.malformed"
    assert answer.json()["errors"][0]["field"] == "value"


def test_a_field_nobody_reads_is_refused(development, olga, client):
    body = {"value": 1, "valeu": 2}
    assert client(olga).put(f"{BASE}development/settings/x/", body).status_code == 400


def test_a_viewer_may_look_and_not_change(development, vic, client):
    answer = client(vic).put(f"{BASE}development/settings/x/", {"value": 1})
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission.denied"


def test_a_secret_goes_in_and_never_comes_out(development, root, client):
    door = client(root)
    made = door.put(f"{BASE}development/secrets/api_key/", {"value": VALUE})
    assert made.status_code == 200
    assert made.json()["version"] == 1
    assert Secret.objects.count() == 1
    everything = [made, door.get(f"{BASE}development/secrets/"), door.get(f"{BASE}development/")]
    assert all(VALUE not in answer.content.decode() for answer in everything)


def test_an_unknown_environment_names_those_there_are(development, root, client):
    answer = client(root).get(f"{BASE}prod/settings/")
    assert answer.status_code == 404
    assert "There are development." in answer.json()["detail"]
