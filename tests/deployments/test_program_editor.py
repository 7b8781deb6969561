"""Who changed the program last does not approve its deployment."""

import subprocess

import pytest

from apps.accounts.actors import actor_for_user
from apps.core.errors import Forbidden
from apps.deployments import reading, revision, services
from apps.deployments.engine import ROOT
from apps.deployments.models import Deployment
from apps.environments.models import Protection
from tests.conftest import person


@pytest.fixture
def ada(world):
    """One of two admins; her mail address is not yet that of any commit."""
    Protection.objects.filter(environment=world.environment).update(required_approvals=1)
    return person("ada", "admin")


def own(user, mail):
    user.email = mail
    user.save()
    return actor_for_user(user)


def author(commit):
    """As git tells it, of the files that the program's digest is made of."""
    line = ["git", "-C", str(ROOT), "log", "-1", "--format=%ae", commit]
    line += ["--", ":(glob)infra/*.py", "infra/Pulumi.yaml"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


def test_the_author_of_the_last_change_is_excluded_and_another_person_is_not(world, ada):
    row = world.planned()
    mail = author(row.revision["commit"])
    actor = own(ada, mail.upper())
    with pytest.raises(Forbidden) as caught:
        services.approve_deployment(actor, deployment=row.pk, fingerprint=row.fingerprint)
    assert caught.value.code == "approval.editor"
    assert "the last change of the program" in caught.value.detail
    (told,) = [one for one in reading.people(row) if one.name == "ada"]
    assert (told.fit, told.why) == (False, caught.value.detail)
    eve = own(person("eve", "admin"), "eve@example.com")
    services.approve_deployment(eve, deployment=row.pk, fingerprint=row.fingerprint)
    assert world.fresh(row).status == "applying"


@pytest.mark.parametrize("commit", ["", "main", "0" * 40, "--all"])
def test_where_nobody_knows_the_author_nobody_is_excluded(world, ada, commit):
    row = world.planned()
    Deployment.objects.filter(pk=row.pk).update(revision={"commit": commit})
    assert revision.last_editor(commit) == ""
    actor = own(ada, "")
    services.approve_deployment(actor, deployment=row.pk, fingerprint=row.fingerprint)
    assert world.fresh(row).status == "applying"


def test_git_is_asked_once_for_each_commit(monkeypatch):
    asked = []
    monkeypatch.setattr(revision, "_editors", {})
    monkeypatch.setattr(revision, "_git", lambda *line: asked.append(line) or "ada@example.com")
    assert {revision.last_editor("a" * 40) for _ in range(3)} == {"ada@example.com"}
    assert len(asked) == 1
