"""Checks, heartbeats and ranges in the admin: made, changed, removed; refused beside the field."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.monitoring.choices import CheckKind
from apps.monitoring.models import AllowedRange, Check
from apps.monitoring.parameters import KNOWN, faults
from apps.monitoring.services import register_check

pytestmark = pytest.mark.django_db
# One usable set of parameters for each kind, as people type it, and what it comes to.
TYPED = {
    "http": (
        {"url": "https://example.com/x", "status": "204", "headers": '{"X-A": "b"}'},
        {"url": "https://example.com/x", "status": 204, "headers": {"X-A": "b"}},
    ),
    "tcp": ({"host": "db", "port": "5432"}, {"host": "db", "port": 5432}),
    "process": ({"process": "memory"}, {"process": "memory"}),
    "mcp": ({"url": "http://127.0.0.1:8003/mcp"}, {"url": "http://127.0.0.1:8003/mcp"}),
    "dns": (
        {"name": "example.com", "expected": "192.0.2.1, 192.0.2.2"},
        {"name": "example.com", "expected": ["192.0.2.1", "192.0.2.2"]},
    ),
    "disk": ({"path": "/", "free_percent": "12.5"}, {"path": "/", "free_percent": 12.5}),
    "certificate": ({"host": "example.com", "days": "14"}, {"host": "example.com", "days": 14}),
    "postgres": (
        {"host": "db", "database": "app", "user": "app", "tls": "no"},
        {"host": "db", "database": "app", "user": "app", "tls": False},
    ),
    "redis": ({"host": "cache", "role": "replica"}, {"host": "cache", "role": "replica"}),
    "container": ({"container": "web"}, {"container": "web"}),
    "heartbeat": ({"every": "3600"}, {"every": 3600}),
    "portal": ({"part": "broker"}, {"part": "broker"}),
}


def at(name, *args):
    return reverse(f"admin:monitoring_{name}", args=args)


def text_of(answer):
    return answer.content.decode()


def form(parameters, **more):
    return {**{f"parameters.{name}": text for name, text in parameters.items()}, **more}


@pytest.fixture
def tcp(development, actor, root):
    return register_check(
        actor(root),
        environment="development",
        name="db",
        kind="tcp",
        parameters={"host": "db", "port": 1},
        source="deployment",
    )


def test_every_kind_is_made_and_filled_in_again_as_it_was(client, olga, development):
    assert set(TYPED) == set(KNOWN)
    client.force_login(olga)
    for kind, (typed, meant) in TYPED.items():
        make = at("check_make", "development", kind)
        page = text_of(client.get(make))
        assert all(f'name="parameters.{name}"' in page for name in KNOWN[kind])
        client.post(make, form(typed, name=f"my {kind}", interval="60", is_gate="yes"))
        row = Check.objects.get(name=f"my {kind}")
        assert (row.kind, row.parameters, row.interval, row.is_gate) == (kind, meant, 60, True)
        assert not faults(kind, row.parameters)
        edit = at("check_edit", row.pk)
        shown = {
            each.ask.name: each.value for each in client.get(edit).context["asked"] if each.value
        }
        assert client.post(edit, shown).url == at("check_change", row.pk)
        row.refresh_from_db()
        assert (row.parameters, row.interval, row.is_gate) == (meant, 60, True)


def test_the_page_before_asks_where_and_which_kind(client, olga, development, staging):
    client.force_login(olga)
    page = client.get(at("check_new"), {"environment": "staging"})
    assert '<option value="staging" selected>' in text_of(page)
    assert text_of(page).count("<option") == 2 + len(CheckKind.choices)
    chosen = {"environment": "staging", "kind": "disk"}
    assert client.post(at("check_new"), chosen).url == at("check_make", "staging", "disk")
    for wrong in ({"environment": "production"}, {"kind": "ping"}):
        assert client.post(at("check_new"), {**chosen, **wrong}).status_code == 404
    assert client.get(at("check_make", "staging", "ping")).status_code == 404
    assert client.get(at("check_make", "production", "tcp")).status_code == 404
    assert f'href="{at("check_new")}"' in text_of(client.get(at("check_changelist")))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (form({"host": "db", "port": "70000"}, name="x", interval="15"), "parameters.port"),
        (form({"host": "db", "port": "many"}, name="x", interval="15"), "parameters.port"),
        (form({"port": "80"}, name="x", interval="15"), "parameters.host"),
        (form({"host": "d b", "port": "80"}, name="x", interval="15"), "parameters.host"),
        (form({"host": "db", "port": "80"}, name="", interval="15"), "name"),
        (form({"host": "db", "port": "80"}, name="<b>", interval="15"), "name"),
        (form({"host": "db", "port": "80"}, name="x", interval="0"), "interval"),
        (form({"host": "db", "port": "80"}, name="x", interval="often"), "interval"),
    ],
)
def test_a_check_nobody_can_use_is_refused_beside_its_field(
    client, olga, development, given, field
):
    client.force_login(olga)
    answer = client.post(at("check_make", "development", "tcp"), given)
    assert answer.status_code == 400
    assert [row.ask.name for row in answer.context["asked"] if row.error] == [field]
    assert not Check.objects.exists()


def test_a_name_that_is_taken_changes_no_other_check(client, olga, tcp):
    client.force_login(olga)
    given = form({"host": "other", "port": "2"}, name="db", interval="15")
    answer = client.post(at("check_make", "development", "tcp"), given)
    assert (answer.status_code, "check.exists" in text_of(answer)) == (409, True)
    tcp.refresh_from_db()
    assert tcp.parameters == {"host": "db", "port": 1}


def test_what_a_deployment_made_stays_its_own_and_the_pages_say_so(client, olga, tcp):
    client.force_login(olga)
    edit, retire = at("check_edit", tcp.pk), at("check_retire", tcp.pk)
    assert "the next one sets it as it declares it" in text_of(client.get(edit))
    client.post(edit, form({"host": "db", "port": "2"}, interval="30"))
    tcp.refresh_from_db()
    assert (tcp.parameters["port"], tcp.source) == (2, "deployment")
    assert "the next one makes it again" in text_of(client.get(retire))
    assert client.post(retire).url == at("check_changelist")
    assert not Check.objects.exists()
    events = list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))
    assert events[-2:] == ["monitoring.check.updated", "monitoring.check.retired"]


def test_the_address_of_a_job_is_shown_once_and_a_new_one_voids_it(client, olga, development):
    client.force_login(olga)
    make = at("check_make", "development", "heartbeat")
    made = client.post(make, form({"every": "3600"}, name="backup", interval="60"))
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    row = Check.objects.get()

    def path_in(answer):
        return "/api" + answer.context["address"].partition("/api")[2]

    old = path_in(made)
    job = Client(enforce_csrf_checks=True)
    assert job.post(old).status_code == 204
    page = text_of(client.get(at("check_change", row.pk)))
    assert old not in page
    assert at("check_renew", row.pk) in page
    renewed = client.post(at("check_renew", row.pk))
    assert job.post(old).status_code == 404
    assert job.post(path_in(renewed)).status_code == 204
    assert old.split("-")[-1] not in repr(list(AuditEvent.objects.values()))


def test_only_a_heartbeat_has_an_address(client, olga, tcp):
    client.force_login(olga)
    assert client.get(at("check_renew", tcp.pk)).status_code == 404


def test_who_may_not_reads_why(client, vic, mallory, tcp):
    doors = [at("check_make", "development", "tcp"), at("check_edit", tcp.pk)]
    doors += [at("check_retire", tcp.pk), at("check_new")]
    client.force_login(vic)
    given = form({"host": "db", "port": "2"}, name="x", interval="15")
    for door in doors:
        assert "edit settings needs admin or operator" in text_of(client.get(door))
    for door in doors[:3]:
        assert client.post(door, given).status_code == 403
    client.force_login(mallory)
    for door in doors:
        assert client.get(door).status_code == 404
    tcp.refresh_from_db()
    assert tcp.parameters["port"] == 1


def test_a_range_is_opened_and_closed_in_the_admin(client, root, olga, development):
    client.force_login(root)
    allow = at("allowedrange_allow", "development")
    listed = at("allowedrange_changelist")
    assert allow in text_of(client.get(listed))
    assert "those of the installation no longer hold" in text_of(client.get(allow))
    given = {"network": "10.1.0.0/16", "ports": "443, 80", "reason": "the database net"}
    assert client.post(allow, given).url == listed
    row = AllowedRange.objects.get()
    assert (row.network, row.ports, row.reason) == ("10.1.0.0/16", [80, 443], "the database net")
    withdraw = at("allowedrange_withdraw", row.pk)
    assert withdraw in text_of(client.get(listed))
    assert "It is the last of its own" in text_of(client.get(withdraw))
    client.force_login(olga)
    assert allow not in text_of(client.get(listed))
    assert client.post(allow, given).status_code == 403
    assert client.post(withdraw).status_code == 403
    client.force_login(root)
    assert client.post(withdraw).url == listed
    assert client.get(withdraw).status_code == 404
    events = list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))
    assert events == ["monitoring.range.allowed", "monitoring.range.withdrawn"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"network": "10.0.0.1/8"}, "network"),
        ({"network": "169.254.169.254/32"}, "network"),
        ({"ports": "http"}, "ports"),
        ({"ports": "70000"}, "ports"),
        ({"reason": " "}, "reason"),
    ],
)
def test_a_range_nobody_can_use_is_refused_beside_its_field(
    client, root, development, wrong, field
):
    client.force_login(root)
    given = {"network": "10.0.0.0/8", "ports": "", "reason": "why", **wrong}
    answer = client.post(at("allowedrange_allow", "development"), given)
    assert answer.status_code == 400
    assert [row.ask.name for row in answer.context["asked"] if row.error] == [field]
    assert not AllowedRange.objects.exists()


def test_the_pages_of_health_and_of_an_environment_check_all_now(client, olga, tcp):
    client.force_login(olga)
    door = at("check_environment", "development")
    for page in (reverse("admin:health"), reverse("admin:environment", args=["development"])):
        assert door in text_of(client.get(page))
    Check.objects.update(next_check_at=None)
    assert client.post(door).url == reverse("admin:environment", args=["development"])
    tcp.refresh_from_db()
    assert tcp.next_check_at is not None
