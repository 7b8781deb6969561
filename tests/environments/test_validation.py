"""Validation: each look finds what it is for, says what to do, and every door tells the same."""

import io
import json
import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden
from apps.environments.choices import Finding
from apps.environments.models import Port, Secret, Setting, Validation
from apps.environments.services import allocate_port, set_secret, set_setting, validate_environment
from apps.environments.validation import registry, validate, verdict
from apps.environments.validation.database_checks import clock_item
from apps.live.models import Message

SECRET = "canary-secret-0911"
PROVEN = ("engine", "backend", "program")
SERVER = {
    "name": "memory",
    "role": "memory",
    "port": 8003,
    "package": "mcp-server-memory",
    "version": "1.2.3",
    "ecosystem": "pypi",
    "transport": "http",
}


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@pytest.fixture
def complete(development, root, actor, settings, tmp_path):
    """Development with settings of every kind, in a home of its own."""
    settings.ORCHESTRA_HOME = tmp_path
    declare(actor(root), development, port=free_port())
    return development


def declare(who, place, *, port, **database):
    values = {
        "database": database or {"kind": "sqlite", "path": "{home}/database.sqlite3"},
        "mcp_enabled": True,
        "mcp": {"host": "127.0.0.1", "servers": [SERVER | {"port": port}]},
        "monitoring": {"prometheus": False},
    }
    for key, value in values.items():
        set_setting(who, environment=place.slug, key=key, value=value)


def looked(place, code=None):
    items = validate(place, leave_out=PROVEN)
    return [item for item in items if item.code == code] if code else items


def test_a_complete_environment_passes_and_every_line_says_why_it_matters(complete):
    items = looked(complete)
    assert verdict(items) == Finding.PASSED
    assert {item.status for item in items} <= {Finding.PASSED, Finding.SKIPPED}
    assert all(item.why and item.what and item.detail for item in items)


def test_a_missing_setting_is_named_with_what_it_holds(complete):
    Setting.objects.filter(key="monitoring").delete()
    (item,) = looked(complete, "settings.missing")
    assert item.status == Finding.FAILED
    assert "development has no setting monitoring." in item.detail
    assert "PUT /api/v1/environments/development/settings/monitoring/" in item.next_step


def test_a_value_that_slipped_past_the_door_is_found(complete):
    Setting.objects.filter(key="mcp_enabled").update(value="yes")
    (item,) = looked(complete, "settings.malformed")
    assert "mcp_enabled takes yes or no" in item.detail


def test_a_credential_in_clear_is_warned_of_and_not_repeated(complete, root, actor):
    set_setting(actor(root), environment="development", key="mail", value={"smtp_password": SECRET})
    (item,) = looked(complete, "settings.credential")
    assert item.status == Finding.WARNING
    assert "mail.smtp_password" in item.detail
    assert SECRET not in repr(looked(complete))


def test_a_package_without_one_exact_version_fails(complete):
    value = {"host": "127.0.0.1", "servers": [SERVER | {"version": ">=1"}]}
    Setting.objects.filter(key="mcp").update(value=value)
    (item,) = looked(complete, "package.not_pinned")
    assert "'>=1'" in item.detail


def test_secrets_that_the_settings_ask_for_are_named(complete, root, actor):
    declare(
        actor(root),
        complete,
        port=free_port(),
        kind="postgres",
        host="127.0.0.1",
        name="x",
        user="x",
        admin_user="postgres",
    )
    assert {item.detail.split()[4] for item in looked(complete, "secret.missing")} == {
        "database_admin_password,",
        "database_password,",
    }
    assert looked(complete, "database.not_asked")[0].status == Finding.UNKNOWN


def test_a_secret_that_does_not_open_fails_the_look_and_not_the_validation(complete, root, actor):
    row = set_secret(actor(root), environment="development", key="api_key", value=SECRET)
    Secret.objects.filter(pk=row.pk).update(sealed="k1:AAAA")
    (item,) = looked(complete, "secret.sealed")
    assert item.status == Finding.FAILED
    assert looked(complete, "package.pinned")


@pytest.mark.parametrize(
    ("days", "code", "status"),
    [
        (-1, "secret.overdue", Finding.WARNING),
        (3, "secret.due_soon", Finding.WARNING),
        (90, "secret.in_date", Finding.PASSED),
    ],
)
def test_rotation_is_read_from_its_due_date(complete, root, actor, days, code, status):
    row = set_secret(actor(root), environment="development", key="api_key", value=SECRET)
    due = timezone.now() + timedelta(days=days)
    Secret.objects.filter(pk=row.pk).update(rotation_due_at=due)
    assert looked(complete, code)[0].status == status


def test_an_overdue_secret_fails_production(complete, production, root, actor):
    row = set_secret(actor(root), environment="production", key="api_key", value=SECRET)
    Secret.objects.filter(pk=row.pk).update(rotation_due_at=timezone.now())
    assert looked(production, "secret.overdue")[0].status == Finding.FAILED


def test_a_secret_of_two_environments_is_found_by_its_digest_and_named_in_both(
    complete, staging, production, root, actor
):
    for slug, key in (("development", "api_key"), ("staging", "other"), ("production", "third")):
        set_secret(actor(root), environment=slug, key=key, value=SECRET if key != "third" else "x1")
    (here,) = looked(complete, "secret.shared")
    assert here.status == Finding.WARNING
    assert here.detail == "api_key has the same value as other of staging."
    (there,) = looked(staging, "secret.shared")
    assert there.detail == "other has the same value as api_key of development."
    assert not looked(production, "secret.shared")
    set_secret(actor(root), environment="production", key="third", value=SECRET)
    found = looked(complete, "secret.shared")
    assert {item.others[0]: item.status for item in found} == {
        "staging": Finding.WARNING,
        "production": Finding.FAILED,
    }
    # A rotated one is shared no more: only versions in use count.
    set_secret(actor(root), environment="development", key="api_key", value="of its own")
    assert not looked(complete, "secret.shared")


def test_a_stranger_on_a_declared_port_is_named_with_the_next_free_one(complete):
    value = Setting.objects.get(key="mcp").value
    with socket.create_server(("127.0.0.1", value["servers"][0]["port"])):
        (item,) = looked(complete, "port.held")
    assert item.status == Finding.FAILED
    assert f"pid {os.getpid()}" in item.detail
    assert "next free port: " in item.next_step


def test_a_process_of_the_environment_may_hold_its_port(complete, tmp_path):
    port = Setting.objects.get(key="mcp").value["servers"][0]["port"]
    script = tmp_path / "environments" / "development" / "server.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        "import socket, sys, time\n"
        "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(port)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout.readline() == "up\n"
        try:
            assert not looked(complete, "port.held")
        finally:
            server.kill()


def test_a_port_of_another_environment_is_named(complete, staging, root, actor):
    port = Setting.objects.get(key="mcp").value["servers"][0]["port"]
    allocate_port(
        actor(root), environment="staging", host="127.0.0.1", port=port, owner="their memory"
    )
    (item,) = looked(complete, "port.taken")
    assert "belongs to their memory (staging)" in item.detail
    assert item.others == ("staging",)


def test_an_address_of_another_host_is_unknown_and_not_free(complete, root, actor):
    Port.objects.create(environment=complete, host="192.0.2.1", port=8003, owner="memory")
    assert looked(complete, "port.elsewhere")[0].status == Finding.UNKNOWN


def test_a_file_that_is_no_database_fails(complete, tmp_path):
    home = tmp_path / "environments" / "development"
    home.mkdir(parents=True)
    (home / "database.sqlite3").write_text("something else entirely")
    assert looked(complete, "database.not_sqlite")[0].status == Finding.FAILED


def test_a_server_that_does_not_answer_fails_without_a_password_in_the_text(complete, root, actor):
    dead = free_port()
    declare(
        actor(root),
        complete,
        port=free_port(),
        kind="postgres",
        host="127.0.0.1",
        name="x",
        user="x",
        admin_user="postgres",
    )
    Setting.objects.filter(key="database").update(
        value=Setting.objects.get(key="database").value | {"port": dead}
    )
    for key in ("database_admin_password", "database_password"):
        set_secret(actor(root), environment="development", key=key, value=SECRET + key)
    (item,) = looked(complete, "database.unreachable")
    assert f"127.0.0.1:{dead}" in item.detail
    assert SECRET not in repr(looked(complete))


@pytest.mark.parametrize(
    ("skew", "status"),
    [(0.1, Finding.PASSED), (-5, Finding.WARNING), (31, Finding.FAILED)],
)
def test_clocks_may_differ_a_little(skew, status):
    item = clock_item(skew, "The clock of db")
    assert item.status == status
    assert ("behind" in item.detail) == (skew < 0)


def test_a_look_that_breaks_is_unknown_and_the_others_go_on(complete, monkeypatch):
    def broken(_subject):
        raise RuntimeError(SECRET)

    row = registry.Registered("packages", 50, "because", broken)
    monkeypatch.setitem(registry._environment, "packages", row)
    (item,) = looked(complete, "validation.look_failed")
    assert item.status == Finding.UNKNOWN
    assert SECRET not in item.detail
    assert looked(complete, "settings.complete")
    assert verdict(looked(complete)) == Finding.WARNING


def test_an_app_above_adds_a_look_of_its_own(complete, monkeypatch):
    monkeypatch.setattr(registry, "_environment", dict(registry._environment))

    @registry.environment_check("tools", order=90, why="Tools are called.")
    def tools(subject):
        yield registry.warning("tools.none", "Tools", f"{subject.environment.slug}", "Add one.")

    assert looked(complete)[-1].why == "Tools are called."


def test_the_verb_keeps_what_was_found_and_leaves_a_record(complete, olga, actor):
    row = validate_environment(actor(olga), environment="development", leave_out=PROVEN)
    assert row.status == Finding.PASSED
    assert row.items[0]["code"] == "settings.complete"
    audit = AuditEvent.objects.get(event="environments.environment.validated")
    assert audit.detail["validation"] == row.pk
    message = Message.objects.get(kind="environment.validated")
    assert message.topic == "environment:development"


def test_a_viewer_may_read_and_not_validate(complete, vic, client, actor):
    with pytest.raises(Forbidden):
        validate_environment(actor(vic), environment="development")
    client.force_login(vic)
    text = client.get(page_of(complete)).content.decode()
    assert '<button class="op-btn" disabled>Validate development' in text


def page_of(place):
    return reverse("admin:environments_environment_validation", args=[place.slug])


@pytest.fixture
def quick(monkeypatch):
    """Without the looks that start processes."""
    kept = {name: row for name, row in registry._environment.items() if name not in PROVEN}
    monkeypatch.setattr(registry, "_environment", kept)


def test_rest_answers_as_the_contract_says(complete, quick, olga):
    door = APIClient()
    door.force_authenticate(olga)
    door.force_login(olga)
    Setting.objects.filter(key="monitoring").delete()
    answer = door.post("/api/v1/environments/development/validate/")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "failed"
    assert set(body["items"][0]) == {"code", "what", "status", "detail", "why", "next_step"}
    assert body["items"][0]["code"] == "settings.missing"
    assert door.post("/api/v1/environments/prod/validate/").status_code == 404


def test_an_environment_one_may_not_see_is_not_named(complete, quick, staging, root, actor):
    from apps.accounts.models import RoleBinding
    from apps.environments.reports import shown_items
    from tests.conftest import person

    for slug in ("development", "staging"):
        set_secret(actor(root), environment=slug, key="api_key", value=SECRET)
    row = validate_environment(actor(root), environment="development")
    ned = person("ned")
    RoleBinding.objects.create(user=ned, role="viewer", environment="development")
    assert "staging" in json.dumps(shown_items(actor(root), row))
    assert "staging" not in json.dumps(shown_items(actor(ned), row))


def test_the_page_asks_before_it_looks_and_shows_the_worst_first(complete, quick, olga, client):
    client.force_login(olga)
    assert "Nobody has validated development yet." in client.get(page_of(complete)).content.decode()
    Setting.objects.filter(key="monitoring").delete()
    ask = reverse("admin:environments_environment_validate", args=["development"])
    assert "Nothing is changed" in client.get(ask).content.decode()
    assert not Validation.objects.exists()
    assert client.post(ask).headers["Location"] == page_of(complete)
    text = client.get(page_of(complete)).content.decode()
    assert text.index("settings.missing") < text.index("package.pinned")
    assert "1 failed" in text
    fragment = client.get(page_of(complete), {"fragment": "page"}).content.decode()
    assert "<html" not in fragment
    assert 'data-topic="environment:development"' in fragment


def test_the_command_says_what_to_do_and_exits_with_1_where_something_failed(complete, quick):
    out = io.StringIO()
    call_command("validate_environment", "development", stdout=out)
    assert "development: " in out.getvalue()
    Setting.objects.filter(key="monitoring").delete()
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("validate_environment", "--all", stdout=out)
    assert end.value.code == 1
    assert "Next: Set it" in out.getvalue()


def test_the_command_speaks_json(complete, quick, staging):
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("validate_environment", "--all", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert [row["environment"] for row in found] == ["development", "staging"]
    out = io.StringIO()
    call_command("validate_environment", "development", "--json", stdout=out)
    assert json.loads(out.getvalue())["status"] == "passed"


@pytest.mark.parametrize("words", [["nowhere"], [], ["development", "--all"]])
def test_the_command_refuses_what_names_no_environment(complete, words):
    with pytest.raises(CommandError) as refusal:
        call_command("validate_environment", *words)
    assert refusal.value.returncode == 2
