"""The matrix: every value side by side, each difference with its reason or without one."""

import csv
import io
import json

import pytest
from django.core.management import call_command
from django.urls import reverse
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.environments.matrix import State, build_matrix, differences_before
from apps.environments.matrix.export import as_csv, safe
from apps.environments.models import Environment, Setting
from apps.environments.services import (
    allocate_port,
    explain_difference,
    explain_sharing,
    set_base_setting,
    set_protection,
    set_secret,
    set_setting,
)
from tests.conftest import person

SECRET = "canary-secret-5102"


@pytest.fixture
def three(development, staging, production, root, actor):
    """Limits that differ in staging; the rest alike."""
    set_base_setting(actor(root), key="limits", value={"seconds": 30, "rows": 100})
    set_setting(actor(root), environment="staging", key="limits", value={"seconds": 300})
    return actor(root)


def cells(key):
    row = next(row for row in build_matrix().rows if row.key == key)
    return {cell.environment.slug: cell for cell in row.cells}


def states(key):
    return {slug: str(cell.state) for slug, cell in cells(key).items()}


def test_a_difference_is_unexplained_until_somebody_says_why(three):
    assert states("limits.seconds") == {
        "development": "same",
        "staging": "unexplained",
        "production": "same",
    }
    assert cells("limits.seconds")["development"].fact.small == "from base"
    assert cells("limits.seconds")["staging"].fact.small == ""
    explain_difference(three, environment="staging", key="limits.seconds", note="slow reports")
    cell = cells("limits.seconds")["staging"]
    assert (cell.state, cell.note) == (State.INTENDED, "slow reports")
    audit = AuditEvent.objects.get(event="environments.difference.explained")
    assert audit.detail["keys"] == ["limits.seconds"]


@pytest.mark.parametrize("slug", ["staging", "production"])
def test_an_explanation_holds_for_the_two_values_it_was_given_for(three, slug):
    explain_difference(three, environment="staging", key="limits.seconds", note="slow reports")
    set_setting(three, environment=slug, key="limits", value={"seconds": 301})
    if slug == "production":
        set_setting(three, environment=slug, key="limits", value={"seconds": 31})
    assert cells("limits.seconds")["staging"].state == State.UNEXPLAINED


def test_the_note_of_a_plain_setting_explains_it(three):
    set_setting(three, environment="production", key="replicas", value=2)
    set_setting(three, environment="staging", key="replicas", value=1, note="one is enough")
    cell = cells("replicas")["staging"]
    assert (cell.state, cell.note) == (State.INTENDED, "one is enough")
    assert cells("replicas")["development"].state == State.UNEXPLAINED


def test_what_a_line_above_decides_needs_no_words_of_its_own(three):
    set_setting(
        three, environment="staging", key="database", value={"kind": "sqlite", "path": "{home}/x"}
    )
    postgres = {"kind": "postgres", "host": "db", "name": "x", "user": "x", "admin_user": "a"}
    set_setting(three, environment="production", key="database", value=postgres)
    assert states("database.kind")["staging"] == "unexplained"
    assert states("database.host")["staging"] == "absent"
    assert states("database.path")["staging"] == "same"
    assert states("database (map)")["development"] == "unexplained"
    assert states("database.kind")["development"] == "absent"


def server(name, version="1.0"):
    return {
        "name": name,
        "role": name,
        "port": 8003,
        "package": f"mcp-{name}",
        "version": version,
        "ecosystem": "pypi",
        "transport": "http",
    }


def test_a_package_version_that_differs_is_seen_apart_from_the_server(three):
    for slug, version in (("staging", "1.1"), ("production", "1.0")):
        value = {"servers": [server("git", version)]}
        set_setting(three, environment=slug, key="mcp", value=value)
    found = cells("mcp.git.package")
    assert (found["staging"].text, found["staging"].state) == ("mcp-git 1.1", State.UNEXPLAINED)
    assert found["production"].text == "mcp-git 1.0"
    assert found["development"].state == State.ABSENT


def test_ports_and_protections_stand_side_by_side(three):
    for slug, host in (("staging", "127.0.0.3"), ("production", "127.0.0.4")):
        allocate_port(three, environment=slug, host=host, port=8003, owner="memory")
    set_protection(three, environment="production", required_approvals=2)
    assert cells("ports.memory")["staging"].fact.small == "127.0.0.3, tcp"
    assert states("ports.memory")["staging"] == "same"
    assert cells("protection.approvals")["production"].text == "2"
    assert states("protection.approvals")["staging"] == "unexplained"


def test_a_shared_secret_is_named_and_versions_alone_are_no_difference(three):
    set_secret(three, environment="staging", key="api_key", value=SECRET)
    set_secret(three, environment="production", key="api_key", value="of its own")
    set_secret(three, environment="production", key="api_key", value="of its own, newer")
    assert states("secrets.api_key") == {
        "development": "absent",
        "staging": "same",
        "production": "same",
    }
    set_secret(three, environment="production", key="api_key", value=SECRET)
    cell = cells("secrets.api_key")["staging"]
    assert (cell.state, cell.shared_with) == (State.UNEXPLAINED, "production")
    assert cell.text == "version 1"
    explain_sharing(
        three, environment="staging", place="api_key", other="production", note="one account"
    )
    assert cells("secrets.api_key")["production"].note == "one account"
    assert SECRET not in as_csv(build_matrix(), build_matrix().rows)


def test_a_prefix_explains_all_that_is_open_below_it(three):
    set_protection(three, environment="production", required_approvals=2, soak_minutes=60)
    rows = explain_difference(three, environment="staging", key="protection.", note="by design")
    assert {row.key for row in rows} == {"protection.approvals", "protection.soak, minutes"}
    with pytest.raises(NotFound):
        explain_difference(three, environment="staging", key="protection.", note="again")
    with pytest.raises(NotFound):
        explain_difference(three, environment="production", key="limits.rows", note="alike")
    with pytest.raises(Invalid):
        explain_difference(three, environment="staging", key="limits.seconds", note=" ")
    with pytest.raises(Forbidden):
        explain_difference(actor_of_viewer(), environment="staging", key="limits.seconds", note="x")


def actor_of_viewer():
    from apps.accounts.actors import actor_for_user

    return actor_for_user(person("vic", "viewer"))


def test_the_way_into_an_environment_shows_what_nobody_explained(three, development):
    assert differences_before(development) == []
    (into_staging,) = differences_before(Environment.objects.get(slug="staging"))
    assert into_staging.sentence("staging") == "limits.seconds: 300 in staging, 30 in development."
    # Production is what others are held against: there the open ones of staging count.
    (into_production,) = differences_before(Environment.objects.get(slug="production"))
    assert into_production.sentence("production") == (
        "limits.seconds: 30 in production, 300 in staging."
    )
    explain_difference(three, environment="staging", key="limits.seconds", note="slow reports")
    assert differences_before(Environment.objects.get(slug="production")) == []


def test_nobody_sees_the_column_of_a_foreign_environment(three, client):
    for slug in ("development", "staging"):
        set_secret(three, environment=slug, key="api_key", value=SECRET)
    from apps.accounts.actors import actor_for_user

    ned = person("ned", "viewer@development")
    matrix = build_matrix().seen_by(actor_for_user(ned))
    assert [place.slug for place in matrix.environments] == ["development"]
    assert "staging" not in as_csv(matrix, matrix.rows)
    client.force_login(ned)
    text = client.get(matrix_page(), {"show": "all"}).content.decode()
    assert "same value as another environment" in text
    assert "staging" not in text


def matrix_page():
    return reverse("admin:environments_environment_matrix")


def test_the_page_opens_on_differences_and_is_whole_without_javascript(three, client, olga):
    client.force_login(olga)
    text = client.get(matrix_page()).content.decode()
    assert "limits.seconds" in text
    assert "limits.rows" not in text
    assert "1 unexplained" in text
    assert 'data-topic="fleet"' in text
    assert "limits.rows" in client.get(matrix_page(), {"show": "all"}).content.decode()
    assert "No key matches" in client.get(matrix_page(), {"q": "nowhere"}).content.decode()
    fragment = client.get(matrix_page(), {"fragment": "page"}).content.decode()
    assert "<html" not in fragment


def test_explaining_asks_first_and_then_the_mark_is_gone(three, client, olga):
    client.force_login(olga)
    ask = reverse("admin:environments_environment_explain", args=["staging"])
    page = client.get(f"{ask}?key=limits.seconds").content.decode()
    assert "staging: 300" in page
    assert client.post(f"{ask}?key=limits.seconds", {"reason": ""}).status_code == 400
    done = client.post(f"{ask}?key=limits.seconds", {"reason": "slow <b>reports</b>"})
    assert done.status_code == 302
    text = client.get(matrix_page()).content.decode()
    assert "slow &lt;b&gt;reports" in text
    assert "All explained" in text
    assert client.get(f"{ask}?key=nothing").status_code == 404


def test_a_share_is_explained_on_the_same_page_by_an_admin(three, client, root, olga):
    for slug in ("development", "staging"):
        set_secret(three, environment=slug, key="api_key", value=SECRET)
    ask = reverse("admin:environments_environment_explain", args=["staging"])
    client.force_login(olga)
    assert client.post(f"{ask}?key=secrets.api_key", {"reason": "x"}).status_code == 403
    client.force_login(root)
    assert client.post(f"{ask}?key=secrets.api_key", {"reason": "one"}).status_code == 302
    assert cells("secrets.api_key")["development"].note == "one"


def test_the_files_hold_what_the_page_shows_and_no_formula(three, client, olga):
    set_setting(three, environment="staging", key="formula", value="=1+1")
    client.force_login(olga)
    address = reverse("admin:environments_environment_export", args=["csv"])
    answer = client.get(address, {"show": "unexplained"})
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0][:4] == ["group", "key", "development", "development state"]
    assert {row[1] for row in rows[1:]} == {"limits.seconds", "formula"}
    assert "'=1+1" in next(row for row in rows if row[1] == "formula")
    assert "attachment" in answer["Content-Disposition"]
    document = json.loads(client.get(address.replace("csv", "json"), {"show": "all"}).content)
    assert document["counts"]["unexplained"] == 2
    assert client.get(address.replace("csv", "xlsx")).status_code == 404
    assert safe("@x") == "'@x"


def test_rest_has_the_matrix_and_explains(three, root):
    door = APIClient()
    door.force_authenticate(root)
    door.force_login(root)
    body = door.get("/api/v1/matrix/?show=unexplained").json()
    assert [row["key"] for row in body["rows"]] == ["limits.seconds"]
    assert door.get("/api/v1/matrix/csv/").content.startswith(b'"group","key"')
    assert door.get("/api/v1/matrix/?show=x").status_code == 400
    note = {"kind": "difference", "key": "limits.seconds", "note": "slow reports"}
    made = door.post("/api/v1/environments/staging/explanations/", note)
    assert made.status_code == 201
    assert door.get("/api/v1/matrix/?show=unexplained").json()["rows"] == []


def test_the_seed_explains_what_it_makes_differ(db):
    call_command("seed", verbosity=0)
    matrix = build_matrix()
    left = [
        (row.key, cell.environment.slug)
        for row in matrix.rows
        for cell in row.cells
        if cell.state == State.UNEXPLAINED
    ]
    assert left == []
    assert matrix.counts()[State.INTENDED] > 20


def test_an_empty_portal_has_an_empty_matrix(db, client, root):
    assert build_matrix().rows == []
    client.force_login(root)
    assert "No environment differs" in client.get(matrix_page()).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_settings(
    three, django_assert_max_num_queries
):
    with django_assert_max_num_queries(16):
        build_matrix()
    for number in range(30):
        Setting.objects.create(
            environment=Environment.objects.get(slug="staging"),
            key=f"k{number}",
            kind="number",
            value=number,
        )
    with django_assert_max_num_queries(16):
        build_matrix()
