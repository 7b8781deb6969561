"""The rules of an environment over REST: who may, what is refused, what stays."""

import pytest
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.environments.models import Protection

ADDRESS = "/api/v1/environments/staging/protection/"


def patch(user, body):
    client = APIClient()
    client.force_login(user)
    return client.patch(ADDRESS, body, format="json")


def test_an_admin_changes_what_is_named_and_the_rest_stays(root, development, staging):
    answer = patch(root, {"required_approvals": 2, "verified_in": ["development"]})
    assert answer.status_code == 200, answer.json()
    row = Protection.objects.get(environment=staging)
    assert (row.required_approvals, row.verified_in) == (2, ["development"])
    assert answer.json()["approval_hours"] == row.approval_hours == 24
    event = AuditEvent.objects.get(event="environments.protection.changed")
    assert event.detail["old"] == {"required_approvals": 0, "verified_in": []}


@pytest.mark.parametrize(
    "body",
    [
        {"verified_in": ["production"]},
        {"required_approvals": -1},
        {"soak_minutes": "long"},
        {"approvals": 2},
    ],
)
def test_what_means_nothing_is_refused_by_its_field_and_nothing_changes(
    root, development, staging, production, body
):
    answer = patch(root, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == next(iter(body))
    assert not AuditEvent.objects.filter(event="environments.protection.changed").exists()


def test_who_has_no_right_there_changes_nothing(olga, staging):
    assert patch(olga, {"required_approvals": 0}).status_code == 403
    assert not AuditEvent.objects.filter(event="environments.protection.changed").exists()
