"""Every page in every state: it renders, says so in words, and shows foreign text as text."""

import json
import pathlib
import re

import pytest
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.deployments.choices import DeploymentStatus
from apps.mcp.choices import Wish
from apps.mcp.models import McpServer
from apps.monitoring.choices import Health
from apps.monitoring.incidents import open_incident
from apps.monitoring.models import Check
from tests.dashboard.conftest import plan

BUDGET = json.loads((pathlib.Path(__file__).parents[1] / "query_budget.json").read_text())
STRAYS = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE
)
FOREIGN = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")


def text_of(response):
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def assert_clean(text):
    """Nothing inline, nothing from another host, no foreign text as markup or control character."""
    without_foreign_text = text.replace("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;", "")
    assert not STRAYS.search(without_foreign_text), STRAYS.search(without_foreign_text)
    assert not FOREIGN.search(text)
    assert "<img src=x" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def page_of(row):
    return reverse("admin:deployments_deployment_change", args=[row.pk])


@pytest.mark.parametrize("status", DeploymentStatus.values)
def test_a_deployment_of_every_status_says_so(client, olga, development, deployment, status):
    row, _ = deployment(
        development, status, plan=plan(update=1, replace=1, same=3), fingerprint="7d3f91c2b4e05a6d"
    )
    client.force_login(olga)
    text = text_of(client.get(page_of(row)))
    assert_clean(text)
    assert f"</svg>{DeploymentStatus(status).label}</span>" in text
    assert "[DEVELOPMENT]" in text
    assert 'aria-label="Environment: development"' in text


@pytest.mark.parametrize("status", DeploymentStatus.values)
def test_a_viewer_sees_every_status_and_no_button_that_changes(
    client, vic, development, deployment, status
):
    row, _ = deployment(development, status, plan=plan(update=1), fingerprint="7d3f")
    client.force_login(vic)
    text = text_of(client.get(page_of(row)))
    assert_clean(text)
    for deed in ("apply", "reject", "cancel", "replan", "recover"):
        assert reverse(f"admin:deployments_deployment_{deed}", args=[row.pk]) not in text


def test_a_blocked_decision_keeps_its_button_with_the_reason_and_code(
    client, vic, development, deployment
):
    row, _ = deployment(development, "awaiting_approval", plan=plan(create=2), fingerprint="7d3f")
    client.force_login(vic)
    text = text_of(client.get(page_of(row)))
    assert re.search(r'<button class="op-btn is-env" disabled>.*Apply to development', text)
    assert "Your role in development is viewer" in text
    assert "permission.denied" in text


def test_the_requester_may_not_approve_where_another_person_must(client, staging, deployment, olga):
    from apps.accounts.models import RoleBinding

    RoleBinding.objects.create(user=olga, role="approver")
    staging.protection.required_approvals = 1
    staging.protection.save()
    row, _ = deployment(
        staging,
        "awaiting_approval",
        plan=plan(create=2),
        fingerprint="7d3f",
        requested_by_id=olga.pk,
    )
    client.force_login(olga)
    text = text_of(client.get(page_of(row)))
    assert "You may not approve this." in text
    assert "approval.own" in text
    assert "0 of 1" in text


def test_a_failed_deployment_says_what_was_and_was_not_changed(
    client, olga, development, deployment
):
    row, _ = deployment(
        development,
        "failed",
        plan=plan(update=1, create=1),
        status_code="engine.failed",
        status_reason="The package could not be installed.",
        status_next_step="Pin another version.",
    )
    client.force_login(olga)
    text = text_of(client.get(page_of(row)))
    assert "The package could not be installed." in text
    assert "Pin another version." in text
    assert "Nothing was changed; 1 failed, 1 were not begun." in text
    assert "Plan again…" in text


def test_a_deployment_that_needs_recovery_leads_to_it(client, olga, development, deployment):
    row, _ = deployment(development, "needs_recovery", plan=plan(update=1), status_reason="Lost.")
    client.force_login(olga)
    text = text_of(client.get(page_of(row)))
    assert "Recover development…" in text
    assert "Cancel deployment" not in text


def test_a_secret_in_a_plan_is_only_said_to_change(client, olga, development, deployment):
    row, _ = deployment(development, "awaiting_approval", plan=plan(update=1), fingerprint="7d3f")
    client.force_login(olga)
    text = text_of(client.get(page_of(row)))
    assert '<td colspan="2">secret changed</td>' in text
    assert "forces replacement" in text


@pytest.mark.parametrize("show", ["all", "changes", "warnings", "errors", "nonsense"])
def test_the_log_shows_untrusted_text_as_text(client, vic, development, deployment, show):
    _, run = deployment(development, "succeeded")
    client.force_login(vic)
    text = text_of(client.get(reverse("admin:deployments_run_log", args=[run.pk]), {"show": show}))
    assert_clean(text)
    assert f"Run {run.pk}: preview of development" in text
    assert ("Server memory-update" in text) is (show != "warnings")


def test_the_log_searches_goes_to_a_line_and_says_what_is_not_there(
    client, vic, development, deployment
):
    _, run = deployment(development, "succeeded")
    address = reverse("admin:deployments_run_log", args=[run.pk])
    client.force_login(vic)
    assert "No line matches." in text_of(client.get(address, {"q": "nowhere"}))
    text = text_of(client.get(address, {"after": "1"}))
    assert 'id="L1"' not in text
    assert "lines 1 to 1 are not on this page" in text
    assert 'id="L1"' in text_of(client.get(address, {"line": "2"}))
    assert "no gaps" in text_of(client.get(address, {"before": "not a number"}))


@pytest.mark.parametrize(
    ("health", "wish"),
    [
        *((health, "enabled") for health in Health.values),
        ("healthy", "paused"),
        ("unknown", "retired"),
    ],
)
def test_a_server_shows_wish_and_fact_apart(client, vic, development, server, health, wish):
    row = server(development, health, wish=wish)
    client.force_login(vic)
    text = text_of(client.get(reverse("admin:mcp_mcpserver_change", args=[row.pk])))
    assert_clean(text)
    assert f"</svg>{Health(health).label}</span>" in text
    assert f"</svg>{Wish(wish).label}</span>" in text
    assert "needs admin or approver or operator" in text, "the reason stands beside the button"


def test_the_home_names_what_needs_a_person(client, olga, development, staging, deployment, server):
    deployment(development, "needs_recovery", status_reason="Run 634 is lost.")
    deployment(staging, "awaiting_approval", plan=plan(delete=1, create=2))
    server(staging, "unreachable")
    client.force_login(olga)
    text = text_of(client.get(reverse("admin:index")))
    assert_clean(text)
    assert "Two environments, three things need a person" in text
    assert "Run 634 is lost." in text
    assert "deletes 1, creates 2" in text
    places = [text.index(words) for words in ("Run 634", "deletes 1, creates 2", ">memory</a>:")]
    assert places == sorted(places)


def test_a_quiet_home_says_that_nothing_needs_you(client, vic, development):
    client.force_login(vic)
    text = text_of(client.get(reverse("admin:index")))
    assert "One environment, nothing needs you" in text
    assert "No MCP servers yet." in text
    assert "You may look here, not change." in text
    assert reverse("admin:deployments_deployment_deploy", args=["development"]) not in text


def test_a_person_without_a_role_sees_nothing_and_what_to_do(client, mallory, development):
    client.force_login(mallory)
    text = text_of(client.get(reverse("admin:index")))
    assert "You may see no environment yet." in text
    assert "development" not in text


def test_an_environment_page_gives_each_deed_its_consequence_or_its_reason(
    client, olga, vic, development, server, deployment
):
    server(development)
    address = reverse("admin:environment", args=["development"])
    client.force_login(olga)
    text = text_of(client.get(address))
    assert_clean(text)
    assert reverse("admin:deployments_deployment_destroy", args=["development"]) in text
    assert "Nothing is deployed in development that could be gone back from." in text
    client.force_login(vic)
    text = text_of(client.get(address))
    assert_clean(text)
    assert text.count("You may look here, not change.") >= 2
    assert reverse("admin:deployments_deployment_destroy", args=["development"]) not in text
    deployment(development, "applying")
    client.force_login(olga)
    text = text_of(client.get(address))
    assert "Waits in line behind deployment" in text
    # A freeze, a lock or a schedule waits for nobody.
    assert text.count("Waits in line") <= 5


def test_an_empty_environment_names_the_verb_that_fills_it(client, olga, development):
    client.force_login(olga)
    text = text_of(client.get(reverse("admin:environment", args=["development"])))
    assert "No MCP servers in development yet." in text
    assert "Deploy to development…" in text


def test_a_foreign_environment_is_not_there(client, production, development):
    from tests.conftest import person

    client.force_login(person("dev", "operator@development"))
    for address in (
        reverse("admin:environment", args=["production"]),
        reverse("admin:deployments_deployment_deploy", args=["production"]),
        reverse("admin:environments_environment_change", args=[production.pk]),
    ):
        response = client.get(address)
        assert response.status_code == 404
        assert "There is no such page, or you may not see it." in response.content.decode()
    assert "production" not in text_of(client.get(reverse("admin:index")))


@pytest.mark.parametrize("fragment", ["page", "home"])
def test_a_part_comes_alone_when_it_is_asked_for(client, vic, development, fragment):
    names = {"page": reverse("admin:environment", args=["development"]), "home": "/admin/"}
    client.force_login(vic)
    text = text_of(client.get(names[fragment], {"fragment": fragment}))
    assert "<html" not in text
    assert f'data-fragment="{fragment}"' in text


@pytest.mark.parametrize("page", sorted(BUDGET))
@pytest.mark.usefixtures("busy_places")
def test_a_page_keeps_its_query_budget(
    client, olga, staging, deployment, page, django_assert_max_num_queries
):
    row, run = deployment(staging, "awaiting_approval", plan=plan(update=1), fingerprint="7d3f")
    server, check = McpServer.objects.first(), Check.objects.first()
    keys = {"deployment": row.pk, "run": run.pk, "server": server.pk, "check": check.pk}
    keys["incident"] = open_incident(
        staging, source="portal", key="a", thing="a", severity="critical", reason="a"
    ).pk
    client.force_login(olga)
    address = page.format(**keys)
    with django_assert_max_num_queries(BUDGET[page]):
        text_of(client.get(address))


def test_the_home_asks_no_more_when_there_is_more(
    client, olga, development, staging, production, deployment, server
):
    from django.db import connection

    client.force_login(olga)
    client.get("/admin/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    for place in (development, staging, production):
        server(place)
        for _ in range(10):
            deployment(place, "succeeded", plan=plan(update=1))
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/")
    # Where there is something, its deployments and its looks for drift are read in one go each.
    assert len(many) <= len(few) + 2
