"""Programs from git: who may say where from, which commit a deployment takes, and its files."""

import json
import pathlib

import pytest
from django.core.management import call_command
from django.test import Client

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.deployments import approvals, git, program_looks, services
from apps.deployments.keeping import commit_now, program_of, revision_now
from apps.deployments.models import Deployment
from apps.environments.choices import Finding
from apps.environments.models import ProgramSource
from apps.environments.services import remove_program_source, set_program_source, set_secret
from apps.environments.validation import Subject
from tests.conftest import person
from tests.deployments.git_server import commit, git_server, make_repository
from tests.deployments.git_server import git as run

TOKEN = "canary-token-4711"


class Repository(type(pathlib.Path())):
    """Its folder, its address and its first commit."""

    __slots__ = ("first", "url")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with git_server(tmp_path_factory.mktemp("git")) as found:
        yield found


@pytest.fixture
def repository(server, settings, tmp_path, request):
    """A repository of its own, its first commit, and an installation that trusts the server."""
    settings.GIT_CA_FILE = str(server.certificate)
    settings.ORCHESTRA_HOME = tmp_path / "home"
    server.asked.clear()
    server.answer, server.token = None, ""
    folder = Repository(server.root / request.node.name.replace("[", "-").replace("]", ""))
    first = make_repository(folder)
    folder.url, folder.first = server.url(folder.name), first
    return folder


@pytest.fixture
def adam(db):
    return actor_for_user(person("adam", "admin"))


def source(adam, place, url, **fields):
    return set_program_source(adam, environment=place.slug, url=url, **{"ref": "main", **fields})


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a", "git://example.org/a", "file:///etc", "/etc", "ext::sh -c id",
        "git@example.org:a/b", "-oProxyCommand=id", "ssh://-oProxyCommand=id/a", "https://",
        "https://user:word@example.org/a", "https://user@example.org/a", "https://example.org/a?b=c",
        "https://example.org/a#b", "https://example.org/-a", "https://example.org/a b",
        "https://example.org/a\nb", "ssh://a:b@example.org/a", "https://example.org:0/a",
        "https://example.org:70000/a", "https://exa mple.org/a", "ssh://$(id)@example.org/a",
    ],
)  # fmt: skip
def test_an_address_that_git_could_take_for_something_else_is_refused(adam, staging, url):
    with pytest.raises(Invalid) as refusal:
        source(adam, staging, url, credential="")
    assert "url" in refusal.value.errors
    assert not ProgramSource.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("ref", v)
            for v in ("", "-x", "a..b", "a//b", "a.lock", ".a", "a/.b", "a b", "a@{1}", "a.")
        ),
        *(("path", v) for v in ("../a", "a/../b", "a//b", "-a", ".git", "a/.GIT", "a b", "a\\b")),
        ("credential", "nobody_set_it"),
    ],
)
def test_a_ref_a_folder_or_a_secret_that_cannot_be_is_refused(adam, staging, field, value):
    with pytest.raises(Invalid) as refusal:
        source(adam, staging, "https://example.org/a", **{field: value})
    assert list(refusal.value.errors) == [field]


def test_over_ssh_a_key_is_needed(adam, staging):
    with pytest.raises(Invalid, match="private key"):
        source(adam, staging, "ssh://git@example.org/a")


def test_only_who_may_edit_settings_says_where_a_program_comes_from(olga, adam, staging, vic):
    with pytest.raises(Forbidden):
        source(actor_for_user(vic), staging, "https://example.org/a")
    source(adam, staging, "https://example.org/a", path="/deploy/")
    row = ProgramSource.objects.get()
    assert (row.path, row.changed_by) == ("deploy", "adam")
    entry = AuditEvent.objects.get(event="environments.source.changed")
    assert entry.detail["new"]["url"] == "https://example.org/a"
    # Its last editor approves nothing here.
    assert approvals.last_editors(staging)[adam.user_id] == "the program source"
    remove_program_source(adam, environment="staging")
    with pytest.raises(Refused, match="built-in program already"):
        remove_program_source(adam, environment="staging")


def test_a_source_somebody_else_changed_is_not_written_over(adam, staging):
    source(adam, staging, "https://example.org/a", seen="nothing")
    with pytest.raises(Refused, match="changed meanwhile"):
        source(adam, staging, "https://example.org/b", seen="nothing")


def test_every_door(adam, staging, client_of):
    client, url = client_of("adam"), "/api/v1/environments/staging/program-source/"
    body = {"url": "https://example.org/a", "ref": "main", "path": "deploy"}
    answer = client.put(url, body, content_type="application/json")
    assert (answer.status_code, answer.json()["ref"]) == (200, "main")
    assert (
        client.put(url, {**body, "ref": "-x"}, content_type="application/json").status_code == 400
    )
    assert client.delete(url).status_code == 204
    page = "/admin/environments/staging/program/"
    shown = client.get(page).content.decode()
    assert "Repository" in shown
    done = client.post(page, {**body, "seen": "nothing", "credential": ""})
    assert done.status_code == 302, done.content.decode()
    assert "https://example.org/a" in client.get("/admin/environments/staging/").content.decode()
    assert "at main" in client.get("/admin/environments/staging/program/built-in/").content.decode()
    call_command("set_program_source", "staging", "--built-in", user="adam")
    assert not ProgramSource.objects.exists()


@pytest.fixture
def client_of(db):
    def client(name):
        from django.contrib.auth import get_user_model

        made = Client()
        made.force_login(get_user_model().objects.get(username=name))
        return made

    return client


def test_a_ref_becomes_a_commit_and_the_branch_it_was_found_by(adam, staging, repository):
    row = source(adam, staging, repository.url)
    run(repository, "tag", "-a", "v1", "-m", "one")
    second = commit(repository, {"more.py": "x = 1\n"})
    remote = git.remote_of(row)
    assert git.resolve(remote, "main") == (second, "main")
    assert git.resolve(remote, "v1") == (repository.first, "")
    assert git.resolve(remote, "a" * 40) == ("a" * 40, "")
    with pytest.raises(Refused, match="no branch and no tag nowhere"):
        git.resolve(remote, "nowhere")
    run(repository, "tag", "main")
    with pytest.raises(Refused, match="a branch and a tag"):
        git.resolve(remote, "main")


def test_a_commit_is_fetched_once_and_read_only(adam, staging, repository, server):
    row = source(adam, staging, repository.url)
    commit(repository, {"__main__.py": "raise SystemExit\n"})
    place = {"url": row.url, "path": "", "commit": repository.first}
    folder = git.checked_out(git.remote_of(row), **place)
    assert "from git" in (folder / "__main__.py").read_text()
    assert not (folder / ".git").exists()
    assert git.author_of(**place) == "a@example.org"
    assert (folder / "__main__.py").stat().st_mode & 0o222 == 0
    asked = len(server.asked)
    assert git.checked_out(None, **place) == folder
    assert len(server.asked) == asked


def test_a_commit_that_is_gone_or_a_folder_that_is_not_there_is_said(adam, staging, repository):
    remote = git.remote_of(source(adam, staging, repository.url))
    with pytest.raises(Refused, match="has no commit"):
        git.checked_out(remote, url=repository.url, path="", commit="b" * 40)
    with pytest.raises(Refused, match="has no folder deploy"):
        git.checked_out(remote, url=repository.url, path="deploy", commit=repository.first)
    with pytest.raises(Refused, match="not kept here"):
        git.checked_out(None, url=repository.url, path="", commit=repository.first)
    assert [p.name for p in (git.checkout.programs_of_git()).iterdir()] == []


def test_a_credential_goes_to_its_server_and_into_no_text(
    adam, staging, repository, server, caplog
):
    server.token = TOKEN
    set_secret(adam, environment="staging", key="git_token", value=TOKEN)
    row = source(adam, staging, repository.url, credential="git_token")
    assert git.resolve(git.remote_of(row), "main")[0] == repository.first
    assert git.checked_out(git.remote_of(row), url=row.url, path="", commit=repository.first)
    server.token = "another"
    with pytest.raises(Refused) as refusal:
        git.resolve(git.remote_of(row), "main")
    seen = [refusal.value.text, caplog.text, repr(git.remote_of(row))]
    seen += [json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)), default=str)]
    seen += [
        str(path.read_bytes())
        for path in (git.checkout.programs_of_git()).rglob("*")
        if path.is_file()
    ]
    assert not any(TOKEN in text for text in seen)


def test_a_server_on_a_network_that_the_environment_may_not_reach_is_not_asked(
    adam, staging, repository, server, settings
):
    from apps.monitoring.runner.preparing import forget_rules

    settings.PROBE_RANGES = ["10.0.0.0/8"]
    forget_rules()
    with pytest.raises(Refused, match="not reached"):
        git.resolve(git.remote_of(source(adam, staging, repository.url)), "main")
    assert server.asked == []
    forget_rules()


def test_a_redirect_is_not_followed(adam, staging, repository, server):
    def elsewhere(handler):
        handler.send_response(302)
        handler.send_header("Location", server.url("other") + "/info/refs?service=git-upload-pack")
        handler.end_headers()
        return True

    server.answer = elsewhere
    with pytest.raises(Refused):
        git.resolve(git.remote_of(source(adam, staging, repository.url)), "main")
    assert not any("/other" in path for path, _ in server.asked)


def test_a_deployment_keeps_to_the_commit_it_was_asked_for(
    adam, development, repository, hinted, settings
):
    settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION = True
    source(adam, development, repository.url)
    row = services.request_deployment(adam, environment="development")
    second = commit(repository, {"more.py": "x = 1\n"})
    row = Deployment.objects.get(pk=row.pk)
    assert row.revision["commit"] == repository.first
    assert revision_now(row)["commit"] == commit_now(row) == repository.first
    program = program_of(row)
    assert program["kind"] == "directory"
    assert repository.first in program["path"]
    # The environment takes its program from elsewhere now: nothing approved may run.
    source(adam, development, repository.url, path="deploy")
    assert commit_now(Deployment.objects.get(pk=row.pk)) not in (repository.first, second)


def test_who_made_the_commit_does_not_approve_it(adam, development, repository, hinted, settings):
    source(adam, development, repository.url)
    development.protection.required_approvals = 1
    development.protection.save()
    row = services.request_deployment(adam, environment="development")
    row = Deployment.objects.get(pk=row.pk)
    program_of(row)
    author, other = person("ann", "approver"), person("ben", "approver")
    author.email = "A@example.org"
    author.save()
    assert approvals.unfit(actor_for_user(author), row).code == "approval.editor"
    assert approvals.unfit(actor_for_user(other), row) is None


def looked_at(place):
    return {item.code: item for item in program_looks.program(Subject(place))}


def test_a_validation_says_whether_the_program_can_be_read_and_may_come_here(
    adam, development, repository, server
):
    source(adam, development, repository.url)
    development.protection.allowed_branches = ["release/*"]
    found = looked_at(development)
    assert repository.first[:12] in found["source.readable"].detail
    assert found["branch.not_allowed"].status == Finding.FAILED
    assert "is on main" in found["branch.not_allowed"].detail
    development.protection.allowed_branches = ["main"]
    assert looked_at(development)["branch.allowed"].status == Finding.PASSED
    # A commit was on no branch that anybody could hold against the rule.
    source(adam, development, repository.url, ref=repository.first)
    assert {"source.pinned", "branch.not_allowed"} == set(looked_at(development))
    source(adam, development, repository.url, ref="gone")
    assert looked_at(development)["source.ref"].status == Finding.FAILED
    server.token = TOKEN
    source(adam, development, repository.url)
    item = looked_at(development)["source.unreachable"]
    assert item.status == Finding.UNKNOWN
    assert item.next_step
