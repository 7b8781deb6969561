"""The record: append-only, and read only by those who may."""

import pytest
from rest_framework.test import APIClient

from apps.audit import services as audit
from apps.audit.models import AuditEvent
from apps.core.permissions import system
from tests.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(db):
    for place in ("", "staging", "production"):
        audit.record(system("test"), "thing.done", environment=place, name="a thing", count=1)


def listed(user):
    client = APIClient()
    client.force_login(user)
    answer = client.get("/api/v1/audit/events/?event=thing.done")
    assert answer.status_code == 200
    return [row["environment"] for row in answer.json()["results"]]


def test_rows_are_neither_changed_nor_deleted(rows):
    row = AuditEvent.objects.first()
    for deed in (
        row.save,
        row.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(event="other"),
    ):
        with pytest.raises(TypeError):
            deed()
    assert AuditEvent.objects.filter(event="thing.done").count() == 3


def test_an_auditor_reads_all_newest_first_and_an_auditor_of_one_place_that_one(rows):
    assert listed(person("aud", "auditor")) == ["production", "staging", ""]
    assert listed(person("sam", "auditor@staging")) == ["staging"]


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_other_roles_read_none(rows, role):
    assert listed(person("other", role)) == []


def test_a_row_names_the_request_that_made_it(root):
    client = APIClient()
    client.force_login(root)
    answer = client.post(
        "/api/v1/tokens/",
        {"name": "w", "scopes": ["read"]},
        format="json",
        headers={"X-Request-ID": "my-request-1"},
    )
    assert answer["X-Request-ID"] == "my-request-1"
    row = AuditEvent.objects.get(event="accounts.token.created")
    assert (row.request_id, row.actor_name) == ("my-request-1", "root")
