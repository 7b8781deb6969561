"""The verbs through the REST door: the contract's shapes, codes and headers."""

import pytest
from rest_framework.test import APIClient

from apps.deployments.models import Deployment, Run, RunEvent
from tests.conftest import person

BASE = "/api/v1"


@pytest.fixture
def client_of(db):
    def make(user):
        client = APIClient()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def asked(olga, client_of, development, hinted):
    """A deployment that awaits a decision, as a preview would have left it."""
    client = client_of(olga)
    answer = client.post(f"{BASE}/deployments/", {"environment": "development"})
    assert answer.status_code == 201, answer.json()
    row = Deployment.objects.get(pk=answer.json()["id"])
    Run.objects.filter(deployment=row).update(status="succeeded")
    Deployment.objects.filter(pk=row.pk).update(
        status="awaiting_approval",
        fingerprint="f" * 64,
        plan={"summary": {"create": 1}, "changes": [], "has_more": False},
    )
    return row


def test_a_request_is_answered_with_the_deployment_and_its_place(
    olga, client_of, development, hinted
):
    answer = client_of(olga).post(
        f"{BASE}/deployments/", {"environment": "development", "reason": "because"}
    )
    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"] == f"/api/v1/deployments/{body['id']}/"
    assert (body["status"], body["kind"], body["reason"]) == ("planning", "deploy", "because")
    assert body["runs"][0]["operation"] == "preview"
    assert body["approvals_needed"] == 0
    assert body["verification"] == {"status": "not_run", "checks": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"environment": "prod"}, 404, "environment.unknown"),
        ({"environment": "development", "kind": "explode"}, 400, "input.invalid"),
        ({"environment": "development", "colour": "red"}, 400, "input.invalid"),
        ({}, 400, "input.invalid"),
    ],
)
def test_bad_input_is_a_problem_with_its_code(
    body, status, code, olga, client_of, development, hinted
):
    answer = client_of(olga).post(f"{BASE}/deployments/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Deployment.objects.exists()


def test_a_viewer_is_told_which_right_is_missing(vic, client_of, development, hinted):
    answer = client_of(vic).post(f"{BASE}/deployments/", {"environment": "development"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied")


def test_a_deployment_elsewhere_is_not_there(asked, client_of, staging):
    stranger = person("sam", "operator@staging")
    answer = client_of(stranger).get(f"{BASE}/deployments/{asked.pk}/")
    assert answer.status_code == 404
    answer = client_of(stranger).post(f"{BASE}/deployments/{asked.pk}/cancel/")
    assert answer.status_code == 404
    assert client_of(stranger).get(f"{BASE}/deployments/").json()["results"] == []


def test_a_second_request_is_taken_and_names_what_is_ahead_of_it(asked, olga, client_of):
    answer = client_of(olga).post(f"{BASE}/deployments/", {"environment": "development"})
    assert answer.status_code == 201
    (blocker,) = answer.json()["blocked_by"]
    assert blocker["code"] == "stack.busy"
    assert f"deployment {asked.pk}" in blocker["detail"]


def test_an_approval_names_its_plan(asked, olga, client_of):
    client = client_of(olga)
    place = f"{BASE}/deployments/{asked.pk}/approve/"
    assert client.post(place).json()["code"] == "fingerprint.missing"
    stale = client.post(place, headers={"If-Match": '"0000"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "fingerprint.moved")
    etag = client.get(f"{BASE}/deployments/{asked.pk}/")["ETag"]
    answer = client.post(place, headers={"If-Match": etag})
    assert answer.status_code == 200, answer.json()
    assert answer.json()["status"] == "applying"
    assert answer.json()["approvals"][0]["by"] == "olga"


def test_rejecting_and_canceling_end_it(asked, olga, client_of):
    client = client_of(olga)
    answer = client.post(f"{BASE}/deployments/{asked.pk}/reject/", {"comment": "not today"})
    assert answer.json()["status"] == "rejected"
    again = client.post(f"{BASE}/deployments/{asked.pk}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "deployment.over")


def test_a_queued_run_is_canceled_at_once(olga, client_of, development, hinted):
    client = client_of(olga)
    body = client.post(f"{BASE}/deployments/", {"environment": "development"}).json()
    run = body["runs"][0]["id"]
    answer = client.post(f"{BASE}/runs/{run}/cancel/")
    assert answer.json()["status"] == "canceled"
    assert client.get(f"{BASE}/deployments/{body['id']}/").json()["status"] == "canceled"
    again = client.post(f"{BASE}/runs/{run}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "run.over")


def test_events_come_in_order_after_a_sequence_and_as_text(asked, vic, client_of):
    run = asked.runs.get()
    for number in range(1, 6):
        RunEvent.objects.create(
            run=run,
            sequence=number,
            at=asked.requested_at,
            kind="output",
            message=f"line {number}\x1b[31m",
        )
    client = client_of(vic)
    body = client.get(f"{BASE}/runs/{run.pk}/events/?after=2&limit=2").json()
    assert [event["sequence"] for event in body["results"]] == [3, 4]
    assert body["last_sequence"] == 4
    assert not body["is_over"]
    assert client.get(f"{BASE}/runs/{run.pk}/events/?after=5&wait=1").json()["is_over"]
    log = client.get(f"{BASE}/runs/{run.pk}/log/")
    text = b"".join(log.streaming_content).decode()
    assert log["Content-Type"].startswith("text/plain")
    assert text.count("\n") == 5
    assert "line 3\\x1b[31m" in text


def test_a_wait_that_is_no_number_is_refused(asked, vic, client_of):
    run = asked.runs.get()
    answer = client_of(vic).get(f"{BASE}/runs/{run.pk}/events/?wait=long")
    assert (answer.status_code, answer.json()["code"]) == (400, "input.invalid")


def test_drift_is_asked_for_once_at_a_time(olga, client_of, development, hinted):
    client = client_of(olga)
    first = client.post(f"{BASE}/environments/development/detect-drift/")
    assert (first.status_code, first.json()["operation"]) == (201, "drift")
    second = client.post(f"{BASE}/environments/development/detect-drift/")
    assert second.json()["id"] == first.json()["id"]
