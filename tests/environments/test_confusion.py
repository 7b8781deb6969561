"""What belongs to one environment is found in another, named, and refused where it is worst."""

import json

import pytest
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound, Refused
from apps.environments.choices import Finding
from apps.environments.endpoints import credentials, endpoints, hosts
from apps.environments.models import Explanation, Setting
from apps.environments.services import (
    explain_production_host,
    explain_sharing,
    set_base_setting,
    set_secret,
    set_setting,
    withdraw_explanation,
)
from apps.environments.sharing import shares_of
from apps.environments.validation import validate

SECRET = "canary-secret-2207"
PROVEN = ("engine", "backend", "program", "ports", "database")


def postgres(host, name="orchestra"):
    return {"kind": "postgres", "host": host, "name": name, "user": "u", "admin_user": "a"}


@pytest.fixture
def door(root):
    made = APIClient()
    made.force_authenticate(root)
    made.force_login(root)
    return made


def test_endpoints_are_read_without_their_credentials():
    values = {
        "database": postgres("db.example.com"),
        "mcp_enabled": True,
        "mcp": {"host": "127.0.0.9", "servers": [{"port": 8003}]},
        "hook": {"url": f"https://user:{SECRET}@hooks.example.com:8443/a?token=x"},
        "file": "a://[broken",
    }
    assert [point.name for point in endpoints(values)] == [
        "postgres://db.example.com:5432/orchestra",
        "127.0.0.9:8003",
        "https://hooks.example.com:8443/a",
    ]
    assert dict(credentials(values)) == {"hook.url": SECRET}
    assert dict(hosts("hook", values["hook"])) == {"hook.url": "hooks.example.com"}
    assert dict(hosts("x", {"host": "db", "path": "a.json", "at": "db.example.com:5432"})) == {
        "x.host": "db",
        "x.at": "db.example.com",
    }


def test_a_database_of_two_environments_is_named_in_both(development, staging, root, actor):
    for slug in ("development", "staging"):
        value = postgres("db.example.com")
        set_setting(actor(root), environment=slug, key="database", value=value)
    (share,) = shares_of(development)
    assert share.sentence() == (
        "database is postgres://db.example.com:5432/orchestra, as database of staging is"
    )
    assert share.strong
    assert [row.other.slug for row in shares_of(staging)] == ["development"]
    assert Setting.objects.filter(key="database").count() == 2


def test_a_credential_in_clear_and_the_same_as_a_secret_is_found(development, staging, root, actor):
    set_setting(actor(root), environment="development", key="mail", value={"password": SECRET})
    set_secret(actor(root), environment="staging", key="mail_password", value=SECRET)
    (share,) = shares_of(development)
    assert share.sentence() == "mail.password has the same value as mail_password of staging"
    assert SECRET not in repr(share)
    found = [item for item in validate(development, leave_out=PROVEN) if "shared" in item.code]
    assert [item.code for item in found] == ["secret.shared"]


def test_what_all_inherit_is_common_on_purpose(development, staging, root, actor):
    set_base_setting(actor(root), key="index", value={"url": "https://packages.example.com/"})
    assert shares_of(development) == []
    own = {"url": "https://hooks.example.com/"}
    for slug in ("development", "staging"):
        set_setting(actor(root), environment=slug, key="hook", value=own)
    assert [share.strong for share in shares_of(development)] == [False]


def test_an_explained_share_is_quiet_until_the_value_changes(development, staging, root, actor):
    for slug in ("development", "staging"):
        set_secret(actor(root), environment=slug, key="api_key", value=SECRET)
    row = explain_sharing(
        actor(root), environment="development", place="api_key", other="staging", note="one account"
    )
    assert AuditEvent.objects.filter(event="environments.sharing.explained").exists()
    for place in (development, staging):
        assert [share.note for share in shares_of(place)] == ["one account"]
        items = validate(place, leave_out=PROVEN)
        assert not [item for item in items if item.code == "secret.shared"]
    for slug in ("development", "staging"):
        set_secret(actor(root), environment=slug, key="api_key", value=f"{SECRET}2")
    assert [share.note for share in shares_of(development)] == [""]
    withdraw_explanation(actor(root), explanation=row.pk)
    assert not Explanation.objects.exists()
    with pytest.raises(NotFound):
        explain_sharing(
            actor(root), environment="development", place="other", other="staging", note="x"
        )


def test_a_production_host_in_a_lower_environment_is_refused_and_names_it(
    staging, production, root, actor
):
    set_setting(
        actor(root), environment="production", key="database", value=postgres("db7.example.com")
    )
    with pytest.raises(Refused) as refusal:
        set_setting(
            actor(root),
            environment="staging",
            key="replica",
            value={"url": "postgres://u:p@db7.example.com/x"},
        )
    assert refusal.value.code == "setting.production_value"
    assert "replica.url names db7.example.com, which belongs to production" in refusal.value.text
    assert "u:p" not in refusal.value.text
    assert not Setting.objects.filter(environment=staging).exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hook", {"url": "https://api.prod.example.com/"}),
        ("mail", {"smarthost": "mail-production.example.com"}),
        ("database", postgres("db.example.com", name="orchestra_production")),
    ],
)
def test_a_name_that_says_production_is_refused(staging, root, actor, key, value):
    with pytest.raises(Refused) as refusal:
        set_setting(actor(root), environment="staging", key=key, value=value)
    assert "by its name" in refusal.value.text


def test_an_address_that_every_host_has_is_nobodys(staging, production, root, actor):
    for slug, name in (("production", "a"), ("staging", "b")):
        value = postgres("127.0.0.1", name=name)
        set_setting(actor(root), environment=slug, key="database", value=value)
    items = validate(staging, leave_out=PROVEN)
    assert "settings.apart" in {item.code for item in items}


def test_the_base_may_not_hand_production_down(staging, production, root, actor):
    with pytest.raises(Refused):
        set_base_setting(actor(root), key="hook", value={"url": "https://prod.example.com"})


def test_an_admin_may_explain_it_and_only_for_that_host(staging, production, root, olga, actor):
    hook = {"url": "https://api.prod.example.com/"}
    with pytest.raises(Forbidden):
        explain_production_host(
            actor(olga), environment="staging", host="api.prod.example.com", note="x"
        )
    with pytest.raises(Invalid):
        explain_production_host(actor(root), environment="staging", host="x", note=" ")
    with pytest.raises(Invalid):
        explain_production_host(actor(root), environment="production", host="x", note="y")
    explain_production_host(
        actor(root), environment="staging", host="api.prod.example.com", note="read-only copy"
    )
    set_setting(actor(root), environment="staging", key="hook", value=hook)
    with pytest.raises(Refused):
        set_setting(
            actor(root), environment="staging", key="hook", value={"url": "https://prod.b.com"}
        )


def test_production_that_moves_onto_a_lower_host_is_found_by_the_validation(
    staging, production, root, actor
):
    for slug in ("staging", "production"):
        value = postgres("db7.example.com", name=f"of_{slug}")
        set_setting(actor(root), environment=slug, key="database", value=value | {"name": "x"})
    codes = {item.code: item for item in validate(staging, leave_out=PROVEN)}
    assert codes["settings.production_value"].status == Finding.FAILED
    assert codes["endpoint.shared"].status == Finding.FAILED


def test_every_door_explains_and_withdraws(development, staging, door):
    for slug in ("development", "staging"):
        door.put(f"/api/v1/environments/{slug}/secrets/api_key/", {"value": SECRET})
    base = "/api/v1/environments/development"
    (share,) = door.get(f"{base}/shares/").json()
    assert (share["place"], share["other"], share["explained"]) == ("api_key", "staging", False)
    body = {"kind": "sharing", "key": "api_key", "subject": "staging", "note": "one account"}
    made = door.post(f"{base}/explanations/", body)
    assert made.status_code == 201
    assert door.get(f"{base}/explanations/").json()[0]["note"] == "one account"
    assert door.get(f"{base}/shares/").json()[0]["explained"] is True
    body = {"kind": "production", "subject": "db.prod.example.com", "note": "a copy"}
    assert door.post(f"{base}/explanations/", body).status_code == 201
    assert door.delete(f"/api/v1/explanations/{made.json()['id']}/").status_code == 204
    assert door.delete(f"/api/v1/explanations/{made.json()['id']}/").status_code == 404
    assert SECRET not in json.dumps(door.get(f"{base}/shares/").json())
