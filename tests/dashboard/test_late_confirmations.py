"""A confirmation that is opened late says so, and has nothing left to press."""

import pytest

from apps.deployments.choices import DeploymentStatus
from tests.dashboard.conftest import plan

OVER = ("succeeded", "failed", "canceled", "rejected", "expired")
VERBS = ("apply", "reject", "cancel", "replan", "recover")
BUTTON = 'type="submit" disabled'


def confirmation(client, row, verb):
    answer = client.get(f"/admin/deployments/deployment/{row.pk}/{verb}/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("verb", ["apply", "reject", "cancel", "recover"])
@pytest.mark.parametrize("status", [s for s in DeploymentStatus.values if s in OVER])
def test_a_deployment_that_is_over_has_nothing_left_to_press(
    client, olga, development, deployment, verb, status
):
    client.force_login(olga)
    row, _ = deployment(development, status, plan=plan(update=1), fingerprint="7d3f")
    text = confirmation(client, row, verb)
    assert BUTTON in text
    assert f"Deployment {row.pk}" in text


@pytest.mark.parametrize("verb", ["apply", "reject", "cancel", "replan"])
def test_a_deployment_that_waits_can_be_decided(client, olga, development, deployment, verb):
    client.force_login(olga)
    row, _ = deployment(development, "awaiting_approval", plan=plan(update=1), fingerprint="7d3f")
    assert BUTTON not in confirmation(client, row, verb)


@pytest.mark.parametrize("verb", VERBS)
def test_whoever_may_only_look_is_told_before_pressing(client, vic, development, deployment, verb):
    client.force_login(vic)
    row, _ = deployment(development, "awaiting_approval", plan=plan(update=1), fingerprint="7d3f")
    assert BUTTON in confirmation(client, row, verb)


def test_the_second_of_two_browsers_cannot_press_again(client, olga, development, deployment):
    client.force_login(olga)
    row, _ = deployment(development, "applying", plan=plan(update=1), fingerprint="7d3f")
    answer = client.post(
        f"/admin/deployments/deployment/{row.pk}/apply/", {"fingerprint": row.fingerprint}
    )
    assert answer.status_code == 409
    assert "awaits no decision: it is applying" in answer.content.decode()
    assert BUTTON in answer.content.decode()


def test_an_unchanged_deployment_waits_for_nobody(client, olga, development, deployment):
    client.force_login(olga)
    row, _ = deployment(development, "unchanged", plan=plan(same=4))
    text = client.get(f"/admin/deployments/deployment/{row.pk}/change/").content.decode()
    assert "by you or a colleague" not in text
    assert text.count("not needed") == 3


def test_a_destruction_gives_no_reason_of_the_program(client, olga, development, deployment):
    client.force_login(olga)
    for kind, told in (("deploy", True), ("destroy", False)):
        row, _ = deployment(development, "canceled", kind=kind, plan=plan(delete=1))
        text = client.get(f"/admin/deployments/deployment/{row.pk}/change/").content.decode()
        assert ("not in the program any more" in text) is told
