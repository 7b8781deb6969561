"""Freezes, windows, locks and the stop of the line: the same verbs behind every door."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.environments import services
from apps.environments.models import Freeze, NamedLock, Stop, Window
from apps.environments.recurrence import Hours

NIGHT = {"begins": "22:00", "ends": "06:00", "weekdays": ["fri"], "zone": "Europe/Berlin"}


@pytest.fixture
def api(db):
    def of(person):
        client = APIClient()
        client.force_login(person)
        return client

    return of


def soon(hours=2):
    return (timezone.now() + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:00Z")


def test_the_line_is_stopped_in_red_on_every_page_and_lifted_explicitly(
    client, ada, olga, vic, development
):
    client.force_login(olga)
    assert client.post(reverse("admin:line-stop"), {"reason": ""}).status_code == 400
    assert (
        client.post(reverse("admin:line-stop"), {"reason": "the bucket burns"}).status_code == 302
    )
    client.force_login(vic)
    pages = ("index", "deployments_deployment_changelist", "monitoring_check_changelist")
    for page in (
        *(reverse(f"admin:{name}") for name in pages),
        reverse("admin:environment", args=["development"]),
    ):
        text = client.get(page).content.decode()
        assert "The line is stopped by olga" in text, page
        assert "the bucket burns" in text
    client.force_login(olga)
    assert client.post(reverse("admin:line-lift"), {"reason": "out"}).status_code == 403
    client.force_login(ada)
    assert "the bucket burns" in client.get(reverse("admin:line-lift")).content.decode()
    assert client.post(reverse("admin:line-lift"), {"reason": "out"}).status_code == 302
    assert "The line is stopped" not in client.get(reverse("admin:index")).content.decode()


def test_the_login_page_tells_nobody_that_the_line_is_stopped(client, development):
    Stop.objects.create(reason="secret trouble", stopped_by="olga")
    assert "secret trouble" not in client.get(reverse("admin:login")).content.decode()


def test_the_line_over_rest(api, ada, olga, mallory):
    client = api(olga)
    assert client.get("/api/v1/stops/now/").json() == {"stopped": False, "stop": None}
    answer = client.post("/api/v1/stops/", {"reason": "fire"}, format="json")
    assert (answer.status_code, answer.json()["stopped_by"]) == (201, "olga")
    again = client.post("/api/v1/stops/", {"reason": "fire"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "line.stopped")
    assert client.get("/api/v1/stops/now/").json()["stop"]["reason"] == "fire"
    assert api(mallory).get("/api/v1/stops/").json()["results"] == []
    assert client.post("/api/v1/stops/lift/", {"reason": "out"}, format="json").status_code == 403
    lifted = api(ada).post("/api/v1/stops/lift/", {"reason": "out"}, format="json")
    assert lifted.json()["lifted_because"] == "out"


def test_the_line_by_command(ada):
    out = io.StringIO()
    call_command("stop_the_line", "--reason", "fire", "--as", "ada", stdout=out)
    with pytest.raises(CommandError, match="stopped already by ada: fire"):
        call_command("stop_the_line", "--reason", "fire", "--as", "ada")
    call_command("stop_the_line", "--lift", "--reason", "out", "--as", "ada", stdout=out)
    assert out.getvalue().splitlines()[-1] == "The line runs again."


def test_recurring_freezes_over_rest(api, ada, olga, development, staging):
    client = api(ada)
    body = {"reason": "quiet nights", "hours": NIGHT}
    made = client.post("/api/v1/freezes/", body, format="json").json()
    assert (made["environment"], made["hours"], made["ends_at"]) == (None, NIGHT, None)
    one = {"environment": "staging", "reason": "audit", "ends_at": soon()}
    staged = client.post("/api/v1/freezes/", one, format="json").json()
    assert client.get("/api/v1/environments/staging/").json()["frozen"]["reason"] == "audit"
    listed = client.get("/api/v1/freezes/?environment=staging").json()["results"]
    assert [row["id"] for row in listed] == [staged["id"]]
    edit = {"ends_at": soon(9), "why": "longer"}
    assert (
        client.post(f"/api/v1/freezes/{staged['id']}/edit/", edit, format="json").status_code == 200
    )
    assert (
        client.post(f"/api/v1/freezes/{made['id']}/lift/", {}, format="json").json()["lifted_by"]
        == "ada"
    )
    assert api(olga).post("/api/v1/freezes/", body, format="json").status_code == 403
    bad = {**body, "hours": {**NIGHT, "zone": "Berlin"}}
    answer = client.post("/api/v1/freezes/", bad, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "zone")


def test_windows_over_rest(api, ada, development):
    client = api(ada)
    body = {"environment": "development", "reason": "office hours", "hours": NIGHT}
    made = client.post("/api/v1/windows/", body, format="json").json()
    assert made["hours"] == NIGHT
    edit = {"hours": {"begins": "08:00", "ends": "09:00"}, "why": "shorter"}
    edited = client.post(f"/api/v1/windows/{made['id']}/edit/", edit, format="json").json()
    assert edited["hours"] == {"begins": "08:00", "ends": "09:00", "weekdays": [], "zone": "UTC"}
    ended = client.post(f"/api/v1/windows/{made['id']}/end/", {}, format="json").json()
    assert ended["ended_by"] == "ada"


def test_locks_over_rest(api, olga, ada, development, staging):
    from tests.conftest import person

    client = api(olga)
    body = {"environment": "staging", "name": "repair", "reason": "mending", "expires_at": soon()}
    made = client.post("/api/v1/locks/", body, format="json").json()
    assert (made["owner"], made["environment"]) == ("olga", "staging")
    assert client.post("/api/v1/locks/", body, format="json").status_code == 423
    foreign = api(person("eve", "operator@development"))
    assert (
        foreign.post(f"/api/v1/locks/{made['id']}/release/", {}, format="json").status_code == 404
    )
    released = api(ada).post(f"/api/v1/locks/{made['id']}/release/", {}, format="json").json()
    assert released["released_by"] == "ada"


def test_a_lock_by_command(olga, development):
    out = io.StringIO()
    given = ("development", "--until", soon()[:16], "--reason", "mending", "--as", "olga")
    call_command("lock_environment", *given, stdout=out)
    with pytest.raises(CommandError, match="held by olga"):
        call_command("lock_environment", *given)
    call_command("lock_environment", "development", "--release", "--as", "olga", stdout=out)
    call_command("lock_environment", "development", "--release", "--as", "olga", stdout=out)
    assert out.getvalue().splitlines()[1:] == [
        "Lock repair of development is released.",
        "development has no lock repair.",
    ]


def test_windows_and_locks_are_made_and_ended_on_pages(client, ada, olga, development):
    page = reverse("admin:environment", args=["development"])
    client.force_login(ada)
    hours = {"begins": "03:00", "ends": "03:01", "weekdays": "mon tue", "zone": "Europe/Berlin"}
    window = reverse("admin:window", args=["development"])
    assert window in client.get(page).content.decode()
    assert client.post(window, {"reason": "quiet", **hours}).url == page
    row = Window.objects.get()
    text = client.get(page).content.decode()
    assert "Mon, Tue 03:00 to 03:01 Europe/Berlin" in text
    assert "The window of development is closed" in text or timezone.now().minute == 0
    edit = reverse("admin:window-edit", args=["development", row.pk])
    assert client.post(edit, {"why": "longer", **hours, "ends": "04:00"}).url == page
    end = reverse("admin:window-end", args=["development", row.pk])
    assert client.get(end).status_code == 200
    assert client.post(end, {}).url == page
    client.force_login(olga)
    lock = reverse("admin:lock", args=["development"])
    given = {"name": "repair", "reason": "mending", "expires_at": soon()[:16]}
    assert client.post(lock, given).url == page
    text = client.get(page).content.decode()
    assert "development is locked until" in text
    assert "mending" in client.get(reverse("admin:index")).content.decode()
    held = NamedLock.objects.get()
    release = reverse("admin:lock-release", args=["development", held.pk])
    assert client.get(release).status_code == 200
    assert client.post(release, {}).url == page


def test_a_freeze_of_all_environments_is_shown_at_home_and_changed_on_its_page(
    client, ada, development, staging
):
    client.force_login(ada)
    given = {"reason": "year end", "where": "all", "ends_at": soon()[:16]}
    assert client.post(reverse("admin:freeze", args=["development"]), given).status_code == 302
    row = Freeze.objects.get()
    assert row.environment is None
    text = client.get(reverse("admin:index")).content.decode()
    assert text.count("by ada: year end") == 2
    listed = client.get(reverse("admin:environments_freeze_changelist")).content.decode()
    assert "all environments" in listed
    edit = reverse("admin:freeze-edit", args=["staging", row.pk])
    assert edit in client.get(reverse("admin:environment", args=["staging"])).content.decode()
    changed = {"reason": "audit", "ends_at": "", "why": "a new name"}
    assert client.post(edit, changed).status_code == 302
    assert (
        client.post(
            reverse("admin:freeze-lift", args=["staging", row.pk]), {"reason": "done"}
        ).status_code
        == 302
    )
    row.refresh_from_db()
    assert (row.reason, row.lifted_by) == ("audit", "ada")


def test_a_recurring_freeze_is_made_on_the_page(client, ada, development):
    client.force_login(ada)
    given = {
        "reason": "nights",
        "begins": "22:00",
        "ends": "06:00",
        "weekdays": "fri",
        "ends_at": "",
    }
    assert client.post(reverse("admin:freeze", args=["development"]), given).status_code == 302
    assert Freeze.objects.get().span_in_words() == "Fri 22:00 to 06:00 UTC"


def test_times_of_places_one_may_not_see_are_404(client, ada, staging, development):
    from tests.conftest import person

    client.force_login(ada)
    client.post(
        reverse("admin:window", args=["staging"]),
        {"reason": "quiet", "begins": "03:00", "ends": "04:00"},
    )
    row = Window.objects.get()
    client.force_login(person("eve", "admin@development"))
    for slug in ("staging", "development"):
        address = reverse("admin:window-edit", args=[slug, row.pk])
        assert client.get(address).status_code == 404


def test_what_is_wrong_with_a_reason_stands_beside_its_field(client, root, development):
    """Each page names the field as its verb and the API do, also where `why` joins a reason."""
    services.add_window(
        actor_for_user(root), environment="development", hours=Hours("03:00", "04:00"), reason="r"
    )
    services.freeze_environment(
        actor_for_user(root), reason="r", ends_at=timezone.now() + timedelta(hours=1)
    )
    client.force_login(root)
    window, freeze = Window.objects.get().pk, Freeze.objects.get().pk
    hours = {"begins": "03:00", "ends": "05:00"}
    until = {"ends_at": soon()[:16]}
    for name, keys, given, field in (
        ("line-stop", [], {}, "reason"),
        ("line-lift", [], {}, "reason"),
        ("window", ["development"], hours, "reason"),
        ("window-edit", ["development", window], hours, "why"),
        ("lock", ["development"], {"name": "repair", "expires_at": soon()[:16]}, "reason"),
        ("freeze", ["development"], until, "reason"),
        ("freeze-edit", ["development", freeze], until, "why"),
    ):
        answer = client.post(reverse(f"admin:{name}", args=keys), {**given, field: "x" * 201})
        text = answer.content.decode()
        assert answer.status_code == 400, name
        assert f'id="error_{field}"' in text, name
        assert "at most 200 characters" in text, name
        assert "x" * 201 in text, f"{name}: what was typed is gone"
