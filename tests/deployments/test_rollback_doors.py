"""Going back and letting go through the REST door, the admin and the command line."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.deployments.models import Deployment, Hold, KeptRevision
from apps.environments.models import Protection
from tests.conftest import person

pytestmark = pytest.mark.usefixtures("hinted")


@pytest.fixture
def rows(staging, settings, tmp_path):
    """A verified revision of staging and the bad one after it."""
    settings.ORCHESTRA_HOME = tmp_path
    return [row_of(staging, tmp_path, "1", 8003), row_of(staging, tmp_path, "2", 8010)]


def row_of(place, home, digit, port):
    row = Deployment.objects.create(
        environment=place,
        status="succeeded",
        verification="passed",
        requested_by="olga",
        finished_at="2026-11-01T10:00:00Z",
        revision={"commit": digit * 40, "branch": "main", "program_digest": digit * 64},
        configuration={"orchestra:port": {"value": port}},
    )
    KeptRevision.objects.create(
        deployment=row, program_kind="builtin", program_digest=digit * 64, config_digest=digit * 64
    )
    folder = home / "programs" / (digit * 64)
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: x\n")
    (folder / "__main__.py").write_text(f"x = {digit}\n")
    return row


@pytest.fixture
def api(olga):
    client = APIClient()
    client.force_login(olga)
    return client


@pytest.fixture
def browser(olga):
    client = Client()
    client.force_login(olga)
    return client


def test_rest_offers_rolls_back_and_lifts(rows, api):
    good, bad = rows
    [offered] = api.get("/api/v1/environments/staging/rollback-candidates/").json()["results"]
    assert offered["deployment"] == good.pk
    assert offered["settings"] == [{"path": "port", "now": "8010", "then": "8003"}]
    assert offered["files"] == [
        {"path": "__main__.py", "change": "changed", "added": 1, "removed": 1}
    ]
    answer = api.post("/api/v1/environments/staging/roll-back/", {"to": good.pk, "reason": "slow"})
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["kind"], told["rolls_back"], told["returns_to"]) == ("rollback", bad.pk, good.pk)
    [hold] = api.get("/api/v1/holds/?environment=staging").json()["results"]
    assert (hold["deployment"], hold["stands"], hold["reason"]) == (bad.pk, True, "slow")
    place = f"/api/v1/holds/{hold['id']}/lift/"
    assert api.post(place, {}).status_code == 400
    assert api.post(place, {"reason": "mended"}).json()["stands"] is False
    assert api.post(place, {"reason": "mended"}).json()["code"] == "hold.lifted"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"to": 999}, 409, "rollback.no_revision"),
        ({"to": 0}, 400, "input.invalid"),
        ({"target": 1}, 400, "input.invalid"),
    ],
)
def test_rest_says_why_not(rows, api, body, status, code):
    answer = api.post("/api/v1/environments/staging/roll-back/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Hold.objects.exists()


def test_a_foreign_environment_is_not_there(rows):
    client = APIClient()
    client.force_login(person("mallory"))
    assert client.post("/api/v1/environments/staging/roll-back/", {}).status_code == 404
    assert client.get("/api/v1/environments/staging/rollback-candidates/").status_code == 404


def test_the_admin_shows_what_each_way_back_would_change_and_asks_first(rows, browser):
    good, _ = rows
    page = browser.get("/admin/deployments/hold/roll-back/staging/").content.decode()
    assert "8010" in page
    assert "8003" in page
    assert f"Roll back to deployment {good.pk}" in page
    place = f"/admin/deployments/hold/roll-back/staging/{good.pk}/"
    assert "port: 8010 → 8003" in browser.get(place).content.decode()
    assert not Hold.objects.exists()
    answer = browser.post(place, {"reason": "it broke"})
    row = Deployment.objects.get(kind="rollback")
    assert answer["Location"].endswith(f"/{row.pk}/change/")
    hold = Hold.objects.get()
    page = browser.get("/admin/environments/staging/").content.decode()
    assert "it broke" in page
    assert f"Lift hold {hold.pk}" in page
    assert browser.get("/admin/deployments/hold/").status_code == 200
    place = f"/admin/deployments/hold/{hold.pk}/lift/"
    assert "automation" in browser.get(place).content.decode()
    browser.post(place, {"reason": "mended"})
    assert not Hold.objects.standing().exists()
    assert "Lift hold" not in browser.get("/admin/environments/staging/").content.decode()


def test_a_viewer_sees_the_offer_and_the_reason_why_not(rows, vic):
    client = Client()
    client.force_login(vic)
    page = client.get("/admin/deployments/hold/roll-back/staging/").content.decode()
    assert "Your role in staging is viewer" in page
    place = f"/admin/deployments/hold/roll-back/staging/{rows[0].pk}/"
    assert client.post(place, {"reason": "x"}).status_code == 403


def test_an_environment_without_history_says_so(staging, browser):
    page = browser.get("/admin/deployments/hold/roll-back/staging/").content.decode()
    assert "Nothing is deployed here" in page
    assert browser.get("/admin/deployments/hold/roll-back/staging/3/").status_code == 404


def test_the_command_lists_and_plans(rows):
    good, bad = rows
    out = StringIO()
    call_command("roll_back", "staging", "--list", stdout=out)
    assert f"{good.pk}  111111111111  verified 2026-11-01 10:00 UTC" in out.getvalue()
    assert "port: 8010 -> 8003" in out.getvalue()
    person("olga", superuser=True)
    call_command("roll_back", "staging", "--to", str(good.pk), "--as", "olga", stdout=out)
    assert Deployment.objects.get(kind="rollback").rolls_back == bad
    hold = Hold.objects.get()
    call_command("lift_hold", str(hold.pk), "--reason", "mended", stdout=out)
    assert f"Hold {hold.pk} of staging is lifted." in out.getvalue()
    with pytest.raises(CommandError, match="lifted already"):
        call_command("lift_hold", str(hold.pk), "--reason", "mended", stdout=out)


def test_the_switch_of_the_automatic_rollback_at_every_door(staging, olga):
    def is_on():
        return Protection.objects.get(environment=staging).automatic_rollback

    operator, admin = APIClient(), APIClient()
    operator.force_login(olga)
    ada = person("ada", "admin")
    admin.force_login(ada)
    place = "/api/v1/environments/staging/automatic-rollback/"
    assert operator.post(place, {"enabled": True}).status_code == 403
    assert admin.post(place, {}).status_code == 400
    assert admin.post(place, {"enabled": True}).json() == {"automatic_rollback": True}
    assert is_on()
    browser = Client()
    browser.force_login(ada)
    assert "by itself, once" in browser.get("/admin/environments/staging/").content.decode()
    place = "/admin/deployments/hold/automatic/staging/"
    assert "staging off?" in browser.get(place).content.decode()
    assert is_on()
    browser.post(place, {"enabled": "no"})
    assert not is_on()
    out = StringIO()
    call_command("roll_back", "staging", "--automatic", "on", "--as", "ada", stdout=out)
    assert is_on()
    assert not Deployment.objects.exists()
    with pytest.raises(CommandError, match="edit protection needs admin"):
        call_command("roll_back", "staging", "--automatic", "off", "--as", "olga", stdout=out)
