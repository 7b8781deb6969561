"""The admin as a whole: who comes in, what lists show, how a change is asked for and refused."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.deployments.choices import Operation
from apps.deployments.models import Deployment, Run
from apps.environments.models import Freeze
from tests.conftest import person

pytestmark = pytest.mark.usefixtures("development")
LISTS = (
    "environments_environment",
    "environments_setting",
    "environments_secret",
    "environments_port",
    "environments_freeze",
    "deployments_deployment",
    "deployments_run",
    "mcp_mcpserver",
    "monitoring_check",
    "accounts_token",
)


def make_deployments(environment, count):
    Deployment.objects.bulk_create(
        Deployment(
            environment=environment, status="canceled", requested_by="olga", reason="<b>x</b>"
        )
        for _ in range(count)
    )


def test_the_login_names_the_installation_and_its_environments(client):
    response = client.get("/admin/login/")
    text = response.content.decode()
    assert response.status_code == 200
    assert "You are logging in to" in text
    assert "development" in text
    assert "op-band" not in text


def test_a_wrong_password_says_so_and_a_page_without_login_leads_to_it(client, olga):
    response = client.post("/admin/login/", {"username": "olga", "password": "wrong"})
    assert 'class="errornote"' in response.content.decode()
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_empty_and_says_so(client, vic, name):
    client.force_login(vic)
    response = client.get(reverse(f"admin:{name}_changelist"))
    text = response.content.decode()
    assert response.status_code == 200
    assert " style=" not in text
    assert "<style" not in text
    assert "No " in text or name == "environments_environment"


@pytest.mark.parametrize("name", LISTS)
def test_a_list_adds_and_deletes_nothing(client, root, name):
    client.force_login(root)
    text = client.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert "addlink" not in text
    assert client.get(reverse(f"admin:{name}_add")).status_code == 403


def test_a_list_pages_without_counting(client, vic, development, django_assert_max_num_queries):
    make_deployments(development, 120)
    client.force_login(vic)
    address = reverse("admin:deployments_deployment_changelist")
    with django_assert_max_num_queries(15) as queries:
        first = client.get(address).content.decode()
    counting = [q["sql"] for q in queries.captured_queries if "COUNT(" in q["sql"].upper()]
    # The header counts what waits for somebody; nothing counts the list's own rows.
    own = [sql for sql in counting if 'FROM "deployments_deployment"' in sql]
    assert not [sql for sql in own if "awaiting_approval" not in sql]
    newest = Deployment.objects.latest("pk").pk
    assert f"{newest} to {newest - 49}, newest first" in first
    assert ">Older<" in first
    assert ">Newer<" not in first
    last = client.get(address, {"p": "3"}).content.decode()
    assert ">Older<" not in last
    assert ">Newer<" in last
    assert "1,000,000,000" not in first
    assert "&lt;b&gt;x&lt;/b&gt;" in first


def test_a_search_that_finds_nothing_says_so_and_counts_nothing(client, vic, development):
    make_deployments(development, 1)
    client.force_login(vic)
    address = reverse("admin:deployments_deployment_changelist")
    text = client.get(address, {"q": "<i>nowhere"}).content.decode()
    assert "Nothing matches “&lt;i&gt;nowhere”" in text
    assert "results (" not in text


def test_lists_hold_only_what_the_actor_sees(client, development, production):
    make_deployments(production, 1)
    make_deployments(development, 1)
    client.force_login(person("dev", "viewer@development"))
    text = client.get(reverse("admin:deployments_deployment_changelist")).content.decode()
    assert "production" not in text
    assert "development" in text


def test_a_person_without_a_role_has_no_menu_but_a_way_out(client, mallory):
    client.force_login(mallory)
    text = client.get("/admin/").content.decode()
    assert "You have no role yet" in text
    assert reverse("admin:deployments_run_changelist") not in text


def test_the_record_is_for_auditors(client, vic, root, development):
    AuditEvent.objects.create(event="a.b.c", actor_kind="user", actor_name="<u>x", environment="e")
    address = reverse("admin:audit_auditevent_changelist")
    client.force_login(vic)
    assert client.get(address).status_code == 403
    client.force_login(root)
    assert "&lt;u&gt;x" in client.get(address).content.decode()


@pytest.mark.parametrize("name", ["deployments_deployment", "deployments_run", "mcp_mcpserver"])
@pytest.mark.parametrize("key", ["999999", "nonsense"])
def test_what_is_not_there_is_the_404_page(client, vic, name, key):
    client.force_login(vic)
    response = client.get(reverse(f"admin:{name}_change", args=[key]))
    assert response.status_code == 404
    assert "There is no such page, or you may not see it." in response.content.decode()


def test_deploying_is_confirmed_on_a_page_that_lists_what_is_declared(client, olga, development):
    development.settings.create(key="database", kind="structure", value={"kind": "sqlite"})
    client.force_login(olga)
    address = reverse("admin:deployments_deployment_deploy", args=["development"])
    text = client.get(address).content.decode()
    assert "Database: sqlite" in text
    assert "Plan deployment to development" in text
    assert "Back, change nothing" in text
    assert not Deployment.objects.exists(), "looking changes nothing"


def test_a_blocked_confirmation_says_why_before_anybody_presses(client, vic):
    client.force_login(vic)
    address = reverse("admin:deployments_deployment_deploy", args=["development"])
    page = client.get(address)
    assert page.status_code == 200
    text = page.content.decode()
    assert 'type="submit" disabled' in text
    assert "permission.denied" in text
    refused = client.post(address, {"reason": "<i>anyway"})
    assert refused.status_code == 403
    text = refused.content.decode()
    assert "You may look here, not change." in text
    assert "&lt;i&gt;anyway" in text, "what was typed is kept"
    assert not Deployment.objects.exists()


def test_a_change_without_the_form_of_the_page_is_refused(olga):
    client = Client(enforce_csrf_checks=True)
    client.force_login(olga)
    address = reverse("admin:deployments_deployment_deploy", args=["development"])
    assert client.post(address, {}).status_code == 403
    assert not Deployment.objects.exists()


def test_destroying_takes_the_exact_name(client, olga, development):
    row = Deployment.objects.create(
        environment=development,
        kind="destroy",
        status="awaiting_approval",
        requested_by="olga",
        fingerprint="7d3f",
        plan={"summary": {"delete": 2}, "changes": []},
    )
    client.force_login(olga)
    address = reverse("admin:deployments_deployment_apply", args=[row.pk])
    page = client.get(address).content.decode()
    assert "To confirm, type <strong" in page
    assert "Destroy 2 resources in development" in page
    for typed in ("", "developmen", "Development", "development "):
        wrong = client.post(address, {"confirm": typed, "fingerprint": "7d3f"})
        assert wrong.status_code == 400
        assert f"You typed “{typed}”. Type development" in wrong.content.decode()
        assert f'value="{typed}"' not in wrong.content.decode() or not typed, "never prefilled"
    row.refresh_from_db()
    assert row.status == "awaiting_approval"


def test_a_refused_verb_shows_fact_way_out_and_code(client, olga, development):
    row = Deployment.objects.create(
        environment=development, status="succeeded", requested_by="olga", plan={}
    )
    client.force_login(olga)
    refused = client.post(reverse("admin:deployments_deployment_cancel", args=[row.pk]), {})
    assert refused.status_code == 409
    assert "Code <code>deployment.over</code>" in refused.content.decode()


def test_canceling_a_run_goes_through_the_verb(client, olga, vic, development):
    run = Run.objects.create(
        stack=development.stack, operation=Operation.PREVIEW, requested_by="olga"
    )
    address = reverse("admin:deployments_run_cancel", args=[run.pk])
    client.force_login(vic)
    assert client.post(address, {}).status_code == 403
    client.force_login(olga)
    assert client.post(address, {}).status_code == 302
    run.refresh_from_db()
    assert run.status == "canceled"
    assert AuditEvent.objects.filter(event="deployments.run.cancel_requested").exists()


@pytest.mark.parametrize("scheme", ["text/html"])
def test_every_page_comes_under_the_strict_policy(client, vic, scheme):
    client.force_login(vic)
    policy = client.get("/admin/", headers={"Accept": scheme})["Content-Security-Policy"]
    for directive in ("script-src 'self'", "style-src 'self'", "object-src 'none'"):
        assert directive in policy
    assert "unsafe" not in policy


def test_a_row_shows_times_as_every_page_does(client, root, development):
    at = datetime(2026, 11, 25, 14, 32, tzinfo=UTC)
    span = {"starts_at": at, "ends_at": at + timedelta(hours=1)}
    row = Freeze.objects.create(environment=development, reason="x", created_by="olga", **span)
    client.force_login(root)
    text = client.get(reverse("admin:environments_freeze_change", args=[row.pk])).content.decode()
    assert "25 Nov 2026 14:32" in text
    assert "25 Nov 2026 15:32" in text
    assert '/admin/environments/"' not in text


def test_an_app_is_no_page_of_its_own(client, root):
    client.force_login(root)
    answer = client.get(reverse("admin:app_list", args=["environments"]))
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
