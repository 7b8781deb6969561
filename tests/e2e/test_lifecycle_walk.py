"""
A change on its way, as the team does it in browsers: development is verified, promoted to staging,
approved by another person, broken, found drifted, rolled back and held. Nothing is simulated.
"""

import json
import re
import secrets
import subprocess
import sys

import pytest

from tests.infra import supervision
from tests.servers import free_port
from tests.start.stack import READY, run_stack

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.network,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
]
MINUTES = 60_000
PASSWORD = "correct horse battery staple"
# Ports that are free here, staging on the PostgreSQL server, its secrets, and a second person.
PREPARE = """
import sys; import django; django.setup()
from django.contrib.auth import get_user_model
from apps.accounts.models import RoleBinding
from apps.core.permissions import system
from apps.environments.models import Port, Setting
from apps.environments.services import set_secret, set_setting
import json
wish = json.loads(sys.stdin.read())
test = system("test")
for slug, ports in wish["ports"].items():
    value = Setting.objects.get(environment__slug=slug, key="mcp").value
    for server in value["servers"]:
        port = ports[server["role"]]
        Port.objects.filter(environment__slug=slug, owner=server["name"]).update(port=port)
        server["port"] = port
    set_setting(test, environment=slug, key="mcp", value=value)
value = Setting.objects.get(environment__slug="staging", key="database").value
value.update(host=wish["host"], port=wish["port"], admin_user=wish["user"])
set_setting(test, environment="staging", key="database", value=value)
for key in ("database_admin_password", "database_password"):
    set_secret(test, environment="staging", key=key, value=wish[key])
ada = get_user_model().objects.create_user("ada", password=wish["password"], is_staff=True)
RoleBinding.objects.create(user=ada, role="approver", environment="*")
"""


def surroundings(stack):
    """Of the portal itself, with its own keys and none of the tests' settings."""
    return {**stack.place.settings, "DJANGO_SETTINGS_MODULE": "orchestra_portal.settings"}


@pytest.fixture(scope="module")
def team(tmp_path_factory, postgres_server):
    """The whole stack with development and staging ready to be deployed."""
    home = tmp_path_factory.mktemp("team")
    with run_stack(home) as stack:
        stack.wait_for(READY, 120)
        wish = {
            "ports": {
                "development": {"memory": free_port()},
                "staging": {role: free_port() for role in ("memory", "code", "git")},
            },
            "host": postgres_server.host,
            "port": postgres_server.port,
            "user": postgres_server.user,
            "database_admin_password": postgres_server.password,
            "database_password": secrets.token_urlsafe(18),
            "password": PASSWORD,
        }
        subprocess.run(
            [sys.executable, "-c", PREPARE],
            input=json.dumps(wish),
            text=True,
            env=surroundings(stack),
            cwd=stack.place.root,
            check=True,
        )
        yield stack


@pytest.fixture
def log_in(team, browser):
    """A page of somebody who is logged in."""
    contexts = []

    def enter(name, password):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(MINUTES)
        page.goto(f"{team.place.url}admin/")
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.click("input[type=submit]")
        page.wait_for_selector("h1")
        return page

    yield enter
    for context in contexts:
        context.close()


def admin_of(team, log_in):
    return log_in("admin", re.search(r"password\s+(\S+)", team.text).group(1))


def wait_for_status(page, words, minutes=3):
    page.wait_for_selector(f".op-head .op-st:has-text('{words}')", timeout=minutes * MINUTES)


def applied(page):
    """Confirms the plan that is on the page, and waits for its end."""
    page.click("text=/^Apply \\d+ changes? to/")
    page.click("main button:has-text('Apply')")
    wait_for_status(page, "Succeeded", 5)


def approved(page, address):
    """Another person reads the plan and approves it."""
    page.goto(address)
    page.click("text=Approve for staging…")
    page.click("button:has-text('Approve and apply to staging')")
    wait_for_status(page, "Succeeded", 6)


def test_a_change_is_promoted_approved_broken_rolled_back_and_held(team, log_in):
    base = f"{team.place.url}admin/"
    admin, ada = admin_of(team, log_in), log_in("ada", PASSWORD)

    # Development: deployed and verified.
    admin.goto(f"{base}deployments/deployment/deploy/development/")
    admin.click("text=Plan deployment to development")
    admin.wait_for_selector("text=Apply 4 changes to development…", timeout=2 * MINUTES)
    applied(admin)

    # Staging takes exactly that revision, and waits for another person.
    admin.goto(f"{base}environments/development/")
    admin.click("li:has-text('Promote to staging') >> text=Promote…")
    admin.click("text=Plan promotion to staging")
    wait_for_status(admin, "Awaiting approval")
    promotion = admin.url
    assert "You requested it" in admin.inner_text("main")
    approved(ada, promotion)
    for role in ("memory", "code", "git"):
        assert ada.locator(f".op-live-tree .op-leaf:has-text('{role}')").count() >= 1

    # A second change, so that there is something to go back from.
    admin.goto(f"{base}environments/staging/")
    interval(team, "30s")
    admin.goto(f"{base}deployments/deployment/deploy/staging/")
    admin.click("text=Plan deployment to staging")
    wait_for_status(admin, "Awaiting approval")
    approved(ada, admin.url)

    # A server is stopped behind the portal's back: the next look finds it.
    supervisor = supervision.Supervisor(str(team.place.socket))
    supervisor._call("stopProcess", "staging-git")
    admin.goto(f"{base}environments/staging/")
    admin.click("text=Detect drift…")
    admin.click("button:has-text('Detect drift in staging')")
    admin.goto(f"{base}environments/staging/")
    admin.wait_for_selector("text=/resources? drifted/", timeout=2 * MINUTES)

    # Back to what was verified first; what is left is held.
    admin.click("text=Roll back…")
    admin.click("text=/^Roll back to deployment/")
    admin.click("button:has-text('Plan rollback of staging')")
    wait_for_status(admin, "Awaiting approval")
    approved(ada, admin.url)
    admin.goto(f"{base}environments/staging/")
    assert "No automation changes staging until the hold is lifted" in admin.inner_text("main")
    assert supervisor.info("staging-git")["statename"] == "RUNNING"


INTERVAL = """
import sys; import django; django.setup()
from apps.core.permissions import system
from apps.environments.models import Setting
from apps.environments.services import set_setting
value = Setting.objects.get(environment__slug="staging", key="monitoring").value
value["scrape_interval"] = sys.argv[1]
set_setting(system("test"), environment="staging", key="monitoring", value=value)
"""


def interval(team, text):
    """Somebody edits a setting of staging."""
    subprocess.run(
        [sys.executable, "-c", INTERVAL, text],
        env=surroundings(team),
        cwd=team.place.root,
        check=True,
    )
