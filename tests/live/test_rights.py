"""Who may follow what, and for how long."""

import aiohttp
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from apps.accounts.models import RoleBinding, Token
from apps.accounts.tokens import new_token_text
from apps.deployments.models import Run, RunEvent
from apps.live.hints import wake_hubs
from apps.live.services import announce
from tests.conftest import person

pytestmark = pytest.mark.slow


@pytest.fixture
def run(development):
    return Run.objects.create(stack=development.stack, operation="preview", requested_by="olga")


def write(run, sequence):
    RunEvent.objects.create(run=run, sequence=sequence, at=timezone.now(), kind="diagnostic")
    wake_hubs()


@pytest.mark.parametrize(
    "topic",
    [
        "run:1",
        "run:x",
        "run",
        "run:01",
        "deployment:1",
        "environment:nowhere",
        "mcp:no",
        "fleet:1",
        "secrets",
        "",
        "run:1; DROP",
        "environment:../x",
    ],
)
def test_what_does_not_exist_is_refused_like_what_is_foreign(browser, root, mallory, topic):
    for somebody in (root, mallory):
        line = browser.open(somebody).follow(topic)
        assert line.hear() == {"type": "refused", "topic": topic, "code": "not_found"}


def test_a_person_without_a_role_follows_nothing(browser, mallory, run):
    line = browser.open(mallory)
    for topic in (f"run:{run.pk}", "environment:development", "fleet", "gpu", "monitoring"):
        assert line.follow(topic).hear()["type"] == "refused"


def test_a_role_in_one_environment_shows_that_one_and_its_part_of_the_fleet(
    browser, development, staging, run
):
    line = browser.open(person("stan", "viewer@staging"))
    assert line.follow("environment:staging").is_silent()
    for foreign in ("environment:development", f"run:{run.pk}"):
        assert line.follow(foreign).hear()["type"] == "refused"
    line.follow("fleet")
    assert line.is_silent()
    announce("fleet", "deployment.changed", environment="development", deployment=1)
    announce("fleet", "seeded", detail="words")
    announce("fleet", "deployment.changed", environment="staging", deployment=2)
    items = line.items(2, "fleet")
    assert [item["payload"] for item in items] == [{}, {"environment": "staging", "deployment": 2}]


def test_a_token_follows_with_its_owners_rights_and_needs_no_origin(browser, vic, run):
    key, digest, text = new_token_text()
    Token.objects.create(user=vic, name="watcher", key=key, digest=digest, scopes=["read"])
    line = browser.open(token=text).follow(f"run:{run.pk}", after=0)
    write(run, 1)
    assert [item["sequence"] for item in line.items(1)] == [1]


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://127.0.0.1:8003", "http://localhost"]
)
def test_another_origin_gets_no_socket_with_our_cookie(browser, root, origin):
    with pytest.raises(aiohttp.WSServerHandshakeError):
        browser.open(root, origin=origin)


@pytest.mark.parametrize(
    "credentials", [{}, {"token": "op_abc_def"}, {"cookie": "portal_session=nonsense"}]
)
def test_nobody_gets_a_socket_without_a_login(browser, credentials):
    with pytest.raises(aiohttp.WSServerHandshakeError):
        browser.open(**credentials)


def test_a_socket_ends_with_its_session(browser, vic, development):
    line = browser.open(vic).follow("fleet")
    assert line.is_silent()
    vic.set_password("another one")
    vic.save()
    assert line.hear() == ("closed", 4401)


def test_a_socket_ends_with_its_person(browser, vic, development):
    line = browser.open(vic).follow("fleet")
    get_user_model().objects.filter(pk=vic.pk).update(is_active=False)
    assert line.hear() == ("closed", 4401)


def test_a_revoked_role_ends_the_topics_it_opened(browser, vic, run):
    topic = f"run:{run.pk}"
    line = browser.open(vic).follow(topic, after=0)
    write(run, 1)
    line.items(1)
    RoleBinding.objects.filter(user=vic).delete()
    assert line.hear() == {"type": "refused", "topic": topic, "code": "not_found"}
    write(run, 2)
    assert line.is_silent()
