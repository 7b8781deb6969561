"""A program from git, from the branch to the thing: with the real host, engine and https server."""

import pathlib
import sqlite3

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.core.errors import PortalError, Refused
from apps.deployments import services
from apps.deployments.identity import identity_of
from apps.deployments.models import Deployment
from apps.environments.models import Setting
from apps.environments.services import set_program_source
from tests.conftest import make_environment, person
from tests.deployments.git_server import commit, git, git_server, make_repository

pytestmark = [pytest.mark.engine, pytest.mark.slow]
INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
MAIN = "infra/__main__.py"


@pytest.fixture
def server(tmp_path):
    with git_server(tmp_path / "git") as found:
        yield found


def program(release):
    """The portal's own program, in a folder of a repository, with a word of its own."""
    files = {f"infra/{path.name}": path.read_text() for path in INFRA.glob("*.py")}
    files["infra/Pulumi.yaml"] = (INFRA / "Pulumi.yaml").read_text()
    files[MAIN] += f"\nimport pulumi\n\npulumi.export('release', '{release}')\n"
    return {"README.md": "what we run\n", **files}


def configure(place, tmp_path):
    """Its own database, and nothing else."""
    values = {
        "database": ("structure", {"kind": "sqlite", "path": str(tmp_path / f"{place.slug}.db")}),
        "mcp_enabled": ("flag", False),
        "mcp": ("structure", {"servers": []}),
        "monitoring": ("structure", {}),
    }
    for key, (kind, value) in values.items():
        Setting.objects.update_or_create(
            environment=place, key=key, defaults={"kind": kind, "value": value}
        )


def confirmed(real, row):
    """What was planned, applied and found well."""
    assert row.status == "awaiting_approval", row.status_reason
    real.approve(row)
    run = real.carry_out(row)
    row = Deployment.objects.get(pk=row.pk)
    assert row.status in ("verifying", "succeeded"), row.status_reason
    if row.status == "verifying":
        row.move("succeeded", verification="passed", finished_at=timezone.now())
    return run


def planned(real, row):
    real.carry_out(row)
    return Deployment.objects.get(pk=row.pk)


def test_what_was_verified_from_git_is_what_arrives_above_although_its_branch_moved(
    real, server, settings, tmp_path, client
):
    settings.GIT_CA_FILE = str(server.certificate)
    user = person("adam", "admin")
    adam = actor_for_user(user)
    folder = server.root / "program"
    first = make_repository(folder, program("one"))
    staging = make_environment("staging", "staging", 30, "bronze")
    for place in (real.environment, staging):
        configure(place, tmp_path)
        url = server.url("program")
        set_program_source(adam, environment=place.slug, url=url, ref="main", path="infra")

    below = planned(real, real.request())
    assert below.revision["commit"] == first
    # Whoever pushes between plan and change changes nothing of it.
    second = commit(folder, program("two"))
    run = confirmed(real, below)
    assert run.outputs["release"] == "one"
    assert sqlite3.connect(tmp_path / "development.db").execute("PRAGMA user_version").fetchone()

    above = services.promote(real.olga, environment="staging", source="development")
    above = planned(real, above)
    assert identity_of(above.revision) == identity_of(below.revision)
    assert above.fingerprint_parts["commit"] == first
    client.force_login(user)
    page = client.get(reverse("admin:deployments_deployment_change", args=[above.pk]))
    text = page.content.decode()
    assert first[:7] in text
    assert "development" in text
    run = confirmed(real, above)
    assert run.outputs["release"] == "one"
    assert (tmp_path / "staging.db").is_file()

    # The branch is what the next one asked for takes; a program that only says something else.
    after = planned(real, real.request())
    assert after.revision["commit"] == second
    (change,) = after.plan["changes"]
    assert [(one["path"], one["old"], one["new"]) for one in change["properties"]] == [
        ("release", "one", "two")
    ]
    page = client.get(reverse("admin:deployments_deployment_change", args=[after.pk]))
    assert "Outputs" in page.content.decode()
    assert confirmed(real, after).outputs["release"] == "two"
    assert planned(real, real.request()).status == "unchanged"


def test_a_server_that_is_gone_holds_up_nothing_that_is_planned_and_is_told_to_who_asks(
    real, tmp_path, settings
):
    adam = actor_for_user(person("adam", "admin"))
    with git_server(tmp_path / "git") as server:
        settings.GIT_CA_FILE = str(server.certificate)
        make_repository(server.root / "program", program("one"))
        configure(real.environment, tmp_path)
        url = server.url("program")
        set_program_source(
            adam, environment=real.environment.slug, url=url, ref="main", path="infra"
        )
        row = planned(real, real.request())
        git(server.root / "program", "branch", "-m", "main", "other")
        with pytest.raises(Refused, match="has no branch and no tag main"):
            real.request()
    with pytest.raises(PortalError) as gone:
        real.request()
    assert "localhost" in gone.value.detail
    assert gone.value.next_step
    assert Deployment.objects.count() == 1
    assert confirmed(real, row).outputs["release"] == "one"
