"""Freezing and lifting: from the admin, over REST, on the command line."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.environments.models import Freeze

pytestmark = pytest.mark.django_db


def later(hours=8):
    return timezone.now() + timedelta(hours=hours)


def in_field(moment):
    return moment.strftime("%Y-%m-%dT%H:%M")


def events():
    return list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))


def test_an_approver_freezes_and_lifts_in_the_admin(client, ada, staging):
    client.force_login(ada)
    page = reverse("admin:environment", args=["staging"])
    freeze = reverse("admin:freeze", args=["staging"])
    assert freeze in client.get(page).content.decode()
    given = {"reason": "year end", "ends_at": in_field(later()), "starts_at": ""}
    assert client.post(freeze, given).url == page
    row = Freeze.objects.get()
    assert (row.reason, row.created_by, row.holds_now) == ("year end", "ada", True)
    shown = client.get(page).content.decode()
    assert "staging is frozen until" in shown
    lift = reverse("admin:freeze-lift", args=["staging", row.pk])
    assert lift in shown
    assert "year end" in client.get(lift).content.decode()
    assert client.post(lift).url == page
    assert "is frozen" not in client.get(page).content.decode()
    assert client.post(lift).status_code == 409
    assert events() == ["environments.freeze.set", "environments.freeze.lifted"]


@pytest.mark.parametrize(
    "given",
    [
        {"reason": "", "ends_at": "2030-01-04T09:00"},
        {"reason": "x" * 201, "ends_at": "2030-01-04T09:00"},
        {"reason": "year end", "ends_at": ""},
        {"reason": "year end", "ends_at": "tomorrow"},
        {"reason": "year end", "ends_at": "2030-13-04T09:00"},
        {"reason": "year end", "ends_at": "2020-01-04T09:00"},
    ],
)
def test_a_freeze_nobody_can_use_is_refused_on_its_page(client, ada, staging, given):
    client.force_login(ada)
    answer = client.post(reverse("admin:freeze", args=["staging"]), given)
    assert answer.status_code == 400
    assert "freeze.malformed" in answer.content.decode()
    assert not Freeze.objects.exists()


def test_an_operator_learns_who_may_freeze(client, olga, staging):
    client.force_login(olga)
    page = client.get(reverse("admin:environment", args=["staging"])).content.decode()
    assert reverse("admin:freeze", args=["staging"]) not in page
    assert "freeze needs admin or approver" in page
    given = {"reason": "no", "ends_at": in_field(later())}
    assert client.post(reverse("admin:freeze", args=["staging"]), given).status_code == 403


def test_rest_freezes_lists_and_lifts(ada, olga, staging, production):
    client = APIClient()
    client.force_login(ada)
    base = "/api/v1/environments/staging/freezes/"
    body = {"reason": "year end", "ends_at": later().isoformat()}
    made = client.post(base, body, format="json")
    assert made.status_code == 201
    key = made.json()["id"]
    assert [row["id"] for row in client.get(base).json()] == [key]
    assert client.get("/api/v1/environments/staging/").json()["frozen"]["reason"] == "year end"
    foreign = f"/api/v1/environments/production/freezes/{key}/lift/"
    assert client.post(foreign, {}, format="json").status_code == 404
    assert client.post(f"{base}{key}/lift/", {}, format="json").json()["lifted_by"] == "ada"
    assert client.post(f"{base}{key}/lift/", {}, format="json").status_code == 409
    client.force_login(olga)
    assert client.post(base, body, format="json").status_code == 403
    assert client.post(base, {"reason": "x"}, format="json").status_code == 400


def test_the_command_freezes_and_lifts(ada, staging):
    out = io.StringIO()
    until = in_field(later())
    call_command("freeze", "staging", "--until", until, "--reason", "x", "--as", "ada", stdout=out)
    assert Freeze.objects.get().holds_now
    call_command("freeze", "staging", "--lift", "--as", "ada", stdout=out)
    assert not Freeze.objects.get().holds_now
    call_command("freeze", "staging", "--lift", "--as", "ada", stdout=out)
    assert out.getvalue().endswith("staging is not frozen.\n")
    with pytest.raises(CommandError, match="is no day and time"):
        call_command("freeze", "staging", "--until", "soon", "--reason", "x", "--as", "ada")
    with pytest.raises(CommandError, match="There is no environment prod"):
        call_command("freeze", "prod", "--until", until, "--reason", "x", "--as", "ada")
