"""Looking for drift, accepting and correcting it: from the admin and the command line."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import RoleBinding
from apps.deployments import services
from apps.deployments.models import Deployment, Run
from tests.conftest import person

DRIFT = {
    "summary": {"update": 1},
    "changes": [
        {
            "urn": "urn:pulumi:development::orchestra::orchestra:mcp:Server::memory",
            "type": "orchestra:mcp:Server",
            "name": "memory",
            "operation": "update",
            "parent": "",
            "component": False,
            "properties": [
                {"path": "port", "kind": "update", "old": 8003, "new": 8010, "secret": False}
            ],
        }
    ],
}


@pytest.fixture
def looked(world):
    """Development with a drift run that found something."""
    return Run.objects.create(
        stack=world.environment.stack,
        operation="drift",
        status="succeeded",
        drift=DRIFT,
        finished_at=timezone.now(),
    )


def address(verb):
    return reverse(f"admin:drift-{verb}", args=["development"])


def login(client, name="olga"):
    from django.contrib.auth import get_user_model

    client.force_login(get_user_model().objects.get(username=name))


def test_the_page_before_names_what_will_be_taken_over_or_brought_back(client, looked):
    login(client)
    page = client.get(address("accept")).content.decode()
    assert "The state takes over: memory (mcp:Server) differs: port" in page
    page = client.get(address("correct")).content.decode()
    assert "Brought back: memory (mcp:Server) differs: port" in page


def test_without_a_look_the_page_says_that_nobody_knows(client, world):
    login(client)
    assert (
        "Nobody has looked since the last update." in client.get(address("accept")).content.decode()
    )


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (None, "Nobody has looked at development since the last update. Detect drift first."),
        ({"changes": []}, "The last look found no drift in development."),
        (DRIFT, ""),
    ],
)
def test_what_nobody_found_is_not_offered_to_be_decided(client, world, drift, words):
    if drift is not None:
        Run.objects.create(
            stack=world.environment.stack,
            operation="drift",
            status="succeeded",
            drift=drift,
            finished_at=timezone.now(),
        )
    login(client)
    for page in ("environment", "drift"):
        shown = client.get(reverse(f"admin:{page}", args=["development"])).content.decode()
        assert address("detect") in shown
        for verb in ("accept", "correct"):
            assert (f'href="{address(verb)}"' in shown) == (not words)
        assert words in shown


@pytest.mark.parametrize(("verb", "kind"), [("accept", "refresh"), ("correct", "deploy")])
def test_a_button_plans_and_leads_to_the_deployment(client, world, verb, kind):
    login(client)
    answer = client.post(address(verb), {"reason": "it was me"})
    row = Deployment.objects.get()
    assert answer.url == reverse("admin:deployments_deployment_change", args=[row.pk])
    assert (row.kind, row.reason, row.status) == (kind, "it was me", "planning")


def test_detecting_leads_to_the_log_of_its_run(client, world):
    login(client)
    answer = client.post(address("detect"))
    assert answer.url == reverse("admin:deployments_run_log", args=[Run.objects.get().pk])


def test_a_viewer_learns_why_not(client, world):
    vic = person("vic", "viewer")
    client.force_login(vic)
    for verb in ("detect", "accept", "correct"):
        page = client.get(address(verb))
        assert "Your role in development is viewer" in page.content.decode()
        assert client.post(address(verb)).status_code == 403
    assert not Run.objects.exists()
    RoleBinding.objects.filter(user=vic).delete()
    assert client.get(address("detect")).status_code == 404


def test_the_command_waits_and_tells_drift_by_its_exit_code(world, looked, monkeypatch):
    monkeypatch.setattr(services, "request_drift", lambda actor, *, environment: looked)
    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_code:
        call_command("detect_drift", "development", "--watch", "--as", "olga", stdout=out)
    assert exit_code.value.code == 2
    assert "memory (mcp:Server) differs: port" in out.getvalue()
    looked.drift = {}
    call_command("detect_drift", "development", "--watch", "--as", "olga", stdout=out)
    assert out.getvalue().endswith("No drift.\n")
    looked.status = "failed"
    with pytest.raises(CommandError, match="failed"):
        call_command("detect_drift", "development", "--watch", "--as", "olga", stdout=out)


@pytest.mark.parametrize(("verb", "kind"), [("accept", "refresh"), ("correct", "deploy")])
def test_commands_plan_what_the_buttons_plan(world, verb, kind):
    call_command(f"{verb}_drift", "development", "--as", "olga", stdout=io.StringIO())
    assert Deployment.objects.get().kind == kind


def test_pages_show_what_the_last_look_found_and_forget_it_with_an_update(client, looked, world):
    login(client)
    home, page = "/admin/", "/admin/environments/development/"
    for address_of_page in (home, page):
        assert "1 resource drifted" in client.get(address_of_page).content.decode()
    detail = client.get("/admin/environments/development/drift/").content.decode()
    for text in ("memory", "As declared", "8003", "8010", f"run {looked.pk}"):
        assert text in detail
    Run.objects.create(stack=world.environment.stack, operation="update", status="succeeded")
    for address_of_page in (home, page):
        shown = client.get(address_of_page).content.decode()
        assert "Not looked at" in shown
        assert "before the last update" in shown


def test_a_look_that_goes_on_and_one_that_failed_are_told(client, looked, world):
    login(client)
    stack = world.environment.stack
    failed = Run.objects.create(
        stack=stack, operation="drift", status="failed", exit_reason="The database is away."
    )
    detail = client.get("/admin/environments/development/drift/").content.decode()
    assert "The last look failed: The database is away." in detail
    assert "the last look failed" in client.get("/admin/").content.decode()
    assert failed.pk > looked.pk
    Run.objects.create(stack=stack, operation="drift", status="running")
    assert "Looking" in client.get("/admin/").content.decode()


def test_rest_says_status_time_and_changes(client, world):
    login(client)
    rest = "/api/v1/environments/development/"
    assert client.get(rest).json()["drift"]["status"] == "unknown"
    now = timezone.now()
    run = Run.objects.create(
        stack=world.environment.stack, operation="drift", status="succeeded", finished_at=now
    )
    assert client.get(rest).json()["drift"]["status"] == "none"
    Run.objects.filter(pk=run.pk).update(drift=DRIFT)
    told = client.get(rest).json()["drift"]
    assert told == {
        "status": "drifted",
        "checked_at": now.isoformat().replace("+00:00", "Z"),
        "changes": {"update": 1},
        "run": run.pk,
        "looking": None,
    }


def test_the_end_of_a_look_reaches_the_home_page(world):
    from apps.live.models import Message

    services.request_drift(world.olga, environment="development")
    topics = list(Message.objects.filter(kind="run.changed").values_list("topic", flat=True))
    assert topics == ["fleet", "environment:development"]
