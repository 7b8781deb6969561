"""What a recovery is decided by: the lock, the people, the kept copy of the state."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound
from apps.deployments import ladder, recoverers, services
from apps.deployments.models import StateCopy
from apps.deployments.processes import host_name
from apps.environments.services import set_secret
from tests.conftest import person
from tests.deployments.conftest import LOCK

SINCE = "2026-11-22T11:05:02.123456789Z"
SECRET = "canary-in-the-state"
CIPHER = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "x"}


@pytest.fixture
def ada(lost):
    return person("ada", "admin")


@pytest.fixture
def looked(world, lost):
    """Somebody has looked: two locks, and a state that repeats a secret in clear."""
    root = actor_for_user(person("root", superuser=True))
    set_secret(root, environment="development", key="api_key", value=SECRET)
    foreign = {"name": "b", "pid": 77, "hostname": "elsewhere", "username": "eve"}
    resource = {"urn": "urn:x", "outputs": {"key": CIPHER, "url": f"https://u:{SECRET}@h/"}}
    world.wish(
        inspect={"locks": [{**LOCK, "timestamp": SINCE}, foreign]},
        inspected={"version": 3, "deployment": {"resources": [resource]}},
    )
    services.look_at_state(world.olga, deployment=lost.pk)
    return world.fresh(lost)


def test_a_lock_is_told_with_owner_host_process_and_time(looked, ada):
    ours, foreign = ladder.steps(looked)[2].locks
    assert (ours.owner, ours.host, ours.pid, ours.state) == ("portal", host_name(), 1, "ours")
    assert f"{ours.since:%Y-%m-%d %H:%M:%S}" == "2026-11-22 11:05:02"
    assert (foreign.owner, foreign.since, foreign.state) == ("eve", None, "foreign")
    api = APIClient()
    api.force_login(ada)
    told = api.get(f"/api/v1/deployments/{looked.pk}/recovery/").json()["results"][2]["locks"]
    assert [(lock["owner"], lock["pid"], lock["state"]) for lock in told] == [
        ("portal", 1, "ours"),
        ("eve", 77, "foreign"),
    ]
    out = StringIO()
    call_command("recover", "development", steps=True, user="ada", stdout=out)
    assert "lock (foreign) by eve on elsewhere, pid 77, since not known" in out.getvalue()
    assert "since 2026-11-22 11:05:02 UTC" in out.getvalue()


def test_people_are_those_who_may_who_leads_and_who_waits(world, looked, ada):
    person("vic", "viewer")
    behind = services.request_deployment(actor_for_user(ada), environment="development")
    found = {one.name: one for one in recoverers.people(looked)}
    assert next(iter(found)) == "olga"
    assert "vic" not in found
    assert (found["olga"].leads, found["olga"].did.startswith("state read ")) == (True, True)
    assert (found["ada"].may, found["ada"].leads) == (True, False)
    assert found["ada"].did == f"deployment {behind.pk} waits behind it"


def test_the_page_shows_lock_people_and_the_way_to_the_copy(looked, ada):
    browser = Client()
    browser.force_login(ada)
    page = browser.get(f"/admin/deployments/deployment/{looked.pk}/change/").content.decode()
    for text in ("somebody else&#x27;s", "elsewhere", "pid 77", "11:05:02", ">People<", "leads"):
        assert text.replace("&#x27;", "'") in page.replace("&#x27;", "'"), text
    copy = StateCopy.objects.get()
    place = f"/admin/deployments/statecopy/{copy.pk}/download/"
    assert place in page
    answer = browser.get(place)
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="development-state-{copy.pk}.json"'
    )
    assert_masked(answer.content.decode())


def test_a_copy_is_read_with_every_secret_masked_and_that_is_recorded(looked, ada):
    copy = StateCopy.objects.get()
    api = APIClient()
    api.force_login(ada)
    assert_masked(json.dumps(api.get(f"/api/v1/states/{copy.pk}/document/").json()))
    told = AuditEvent.objects.get(event="deployments.state.read")
    assert (told.actor_name, told.environment) == ("ada", "development")


def assert_masked(text):
    found = json.loads(text)
    (resource,) = found["deployment"]["resources"]
    assert resource["outputs"]["key"] == "secret"
    assert SECRET not in text
    assert "ciphertext" not in text


def test_a_copy_is_for_those_who_may_recover_and_of_its_own_environment(looked, staging):
    copy = StateCopy.objects.get()
    vic = person("vic", "viewer")
    with pytest.raises(Forbidden):
        services.read_state(actor_for_user(vic), environment="development", state=copy.pk)
    root = actor_for_user(person("root2", superuser=True))
    with pytest.raises(NotFound):
        services.read_state(root, environment="staging", state=copy.pk)
    browser, api = Client(), APIClient()
    for client in (browser, api):
        client.force_login(vic)
    refused = browser.get(f"/admin/deployments/statecopy/{copy.pk}/download/")
    assert refused.status_code == 403
    assert api.get(f"/api/v1/states/{copy.pk}/document/").status_code == 403
    stranger = Client()
    stranger.force_login(person("mallory"))
    assert stranger.get(f"/admin/deployments/statecopy/{copy.pk}/download/").status_code in (
        403,
        404,
    )
    assert not AuditEvent.objects.filter(event="deployments.state.read").exists()
