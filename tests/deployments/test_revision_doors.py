"""Evidence and rejections through the REST door, the admin and the command line."""

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from apps.deployments.models import Deployment, Evidence, RejectedRevision
from apps.environments.models import Protection

COMMIT, TREE = "c" * 40, "d" * 64


@pytest.fixture
def deployment(staging):
    Protection.objects.filter(environment=staging).update(
        required_evidence=["tests", "code_review"], verified_in=["development"]
    )
    return Deployment.objects.create(
        environment=staging,
        status="awaiting_approval",
        fingerprint="f" * 64,
        requested_by="olga",
        revision={"commit": COMMIT, "branch": "main", "program_digest": TREE},
        plan={"summary": {"create": 1}, "changes": [], "has_more": False},
    )


def api(user):
    client = APIClient()
    client.force_login(user)
    return client


def test_rest_takes_evidence_for_a_deployments_revision_and_shows_it_there(deployment, olga):
    client = api(olga)
    body = {"kind": "tests", "result": "passed", "link": "https://ci.example/7"}
    answer = client.post("/api/v1/evidence/", {**body, "deployment": deployment.pk})
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["commit"], told["program_digest"], told["who"]) == (COMMIT, TREE, "olga")
    shown = client.get(f"/api/v1/deployments/{deployment.pk}/").json()
    assert shown["evidence"][0]["link"] == "https://ci.example/7"
    codes = [blocker["code"] for blocker in shown["blocked_by"]]
    assert codes == ["evidence.missing", "revision.not_verified"]
    listed = client.get(f"/api/v1/evidence/?commit={COMMIT}&kind=tests").json()["results"]
    assert [row["id"] for row in listed] == [told["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "tests", "result": "passed"}, 400, "revision.malformed"),
        ({"kind": "tests", "result": "passed", "commit": "main"}, 400, "revision.malformed"),
        ({"kind": "tests", "result": "perhaps", "commit": COMMIT}, 400, "input.invalid"),
        (
            {"kind": "tests", "result": "passed", "commit": COMMIT, "branch": "main"},
            400,
            "input.invalid",
        ),
        ({"kind": "tests", "result": "passed", "deployment": 999}, 404, "deployment.unknown"),
        (
            {"kind": "tests", "result": "passed", "commit": COMMIT, "who": "ada"},
            403,
            "evidence.not_yours",
        ),
    ],
)
def test_rest_refuses_evidence_by_its_code(db, olga, body, status, code):
    answer = api(olga).post("/api/v1/evidence/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Evidence.objects.exists()


def test_rest_rejects_lists_and_lifts(deployment, ada, olga):
    client = api(ada)
    answer = client.post(
        "/api/v1/rejected-revisions/", {"deployment": deployment.pk, "reason": "It leaks."}
    )
    assert answer.status_code == 201, answer.json()
    pk = answer.json()["id"]
    shown = client.get(f"/api/v1/deployments/{deployment.pk}/").json()
    assert shown["rejected"] == {"id": pk, "by": "ada", "reason": "It leaks."}
    assert shown["blocked_by"][0]["code"] == "revision.rejected"
    again = client.post("/api/v1/rejected-revisions/", {"commit": COMMIT, "reason": "Again."})
    assert (again.status_code, again.json()["code"]) == (409, "revision.is_rejected")
    lift = f"/api/v1/rejected-revisions/{pk}/lift/"
    assert api(olga).post(lift, {"reason": "hurry"}).status_code == 403
    answer = client.post(lift, {"reason": "It was the test."})
    assert (answer.status_code, answer.json()["stands"]) == (200, False)


def test_the_page_shows_what_is_asked_for_and_leads_to_the_forms(deployment, ada, client):
    client.force_login(ada)
    page = client.get(f"/admin/deployments/deployment/{deployment.pk}/change/").content.decode()
    assert "asked for, not reported" in page
    assert "0 of 2 people" in page
    assert "Verified in development" in page
    form = f"/admin/deployments/evidence/report/{deployment.pk}/"
    assert form in page
    assert f"/admin/deployments/rejectedrevision/reject/{deployment.pk}/" in page
    shown = client.get(form).content.decode()
    assert COMMIT in shown
    assert "Security review" in shown
    given = {"kind": "code_review", "result": "failed", "comment": "<b>no</b>"}
    assert client.post(form, {**given, "link": "nowhere"}).status_code == 400
    answer = client.post(form, given)
    assert answer.status_code == 302
    page = client.get(answer["Location"]).content.decode()
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "says ada" in page


def test_the_admin_rejects_and_lifts_with_a_reason(deployment, ada, client):
    client.force_login(ada)
    place = f"/admin/deployments/rejectedrevision/reject/{deployment.pk}/"
    assert "everywhere?" in client.get(place).content.decode()
    assert client.post(place, {"reason": ""}).status_code == 400
    assert client.post(place, {"reason": "It leaks."}).status_code == 302
    page = client.get(f"/admin/deployments/deployment/{deployment.pk}/change/").content.decode()
    assert "Rejected by ada: It leaks." in page
    listed = client.get("/admin/deployments/rejectedrevision/").content.decode()
    row = RejectedRevision.objects.get()
    lift = f"/admin/deployments/rejectedrevision/{row.pk}/lift/"
    assert lift in listed
    assert client.post(lift, {"reason": "Mended."}).status_code == 302
    assert "Mended." in client.get("/admin/deployments/rejectedrevision/").content.decode()
    assert client.get("/admin/deployments/rejectedrevision/99/lift/").status_code == 404


def test_a_viewer_reads_evidence_and_gets_no_button(deployment, vic, ada, client):
    client.force_login(vic)
    page = client.get(f"/admin/deployments/deployment/{deployment.pk}/change/").content.decode()
    assert "Report evidence…" not in page
    form = f"/admin/deployments/evidence/report/{deployment.pk}/"
    assert "disabled" in client.get(form).content.decode()
    assert client.post(form, {"kind": "tests", "result": "passed"}).status_code == 403
    assert client.get("/admin/deployments/evidence/").status_code == 200


def test_commands_report_reject_and_lift(deployment, root, capsys):
    call_command("report_evidence", "tests", "passed", "--commit", COMMIT, "--as", "root")
    assert Evidence.objects.get().who == "root"
    named = ["--deployment", str(deployment.pk), "--as", "root"]
    call_command("reject_revision", *named, "--reason", "It leaks.")
    with pytest.raises(CommandError, match="Rejected already"):
        call_command("reject_revision", *named, "--reason", "It leaks.")
    call_command("reject_revision", *named, "--lift", "--reason", "Mended.")
    assert "Lifted" in capsys.readouterr().out
    with pytest.raises(CommandError, match="is not rejected"):
        call_command("reject_revision", *named, "--lift", "--reason", "Mended.")
    with pytest.raises(CommandError, match="40 hexadecimal"):
        call_command("report_evidence", "tests", "passed", "--commit", "main", "--as", "root")
