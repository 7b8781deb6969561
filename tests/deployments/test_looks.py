"""What deployments look at in a validation, with a twin of the host and with the real one."""

import os

import pytest

from apps.deployments import engine, looks, program_looks
from apps.environments.choices import Finding
from apps.environments.validation import Subject, validate
from tests.deployments.conftest import FAKE


@pytest.fixture
def at_home(settings, tmp_path, monkeypatch):
    settings.ORCHESTRA_HOME = tmp_path
    settings.PULUMI_BACKEND_URL = f"file://{tmp_path}/pulumi-state"
    monkeypatch.setattr(engine, "HOST_COMMAND", tuple(FAKE))
    monkeypatch.setattr(program_looks, "current_branch", lambda: "main")
    return tmp_path


def found(look, place):
    return {item.code: item for item in look(Subject(place))}


def test_engine_provider_and_state_are_asked_in_one_go(development, at_home):
    items = found(looks.engine, development)
    assert items["engine.usable"].detail == "embedded 3.272.0 answers."
    assert items["provider.usable"].detail == "orchestra 1.0.0 is in place."
    assert items["state.readable"].status == Finding.PASSED


def test_the_embedded_engine_fails_production_unless_a_setting_allows_it(
    production, at_home, settings
):
    item = found(looks.engine, production)["engine.not_for_production"]
    assert item.status == Finding.FAILED
    settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION = True
    assert "engine.usable" in found(looks.engine, production)


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        ({"pending_operations": [{"urn": "x"}]}, "state.pending_operations", Finding.FAILED),
        ({"locks": [{"username": "ada", "pid": 7}]}, "engine.locked", Finding.WARNING),
        ({"outcome": "refused", "code": "passphrase.wrong"}, "passphrase.wrong", Finding.FAILED),
    ],
)
def test_what_the_state_says_is_told(answer, code, status):
    item = looks._stack({"outcome": "succeeded", **answer})
    assert (item.code, item.status) == (code, status)
    assert item.next_step


def test_a_host_that_gives_no_answer_fails(development, at_home, monkeypatch):
    monkeypatch.setattr(engine, "HOST_COMMAND", ("/bin/false",))
    assert found(looks.engine, development)["engine.host"].status == Finding.FAILED


def test_no_engine_and_no_provider_are_failures():
    assert looks._engine(None, {}).code == "engine.not_found"


def test_a_backend_folder_is_written_to(development, at_home):
    assert "backend.writable" in found(looks.backend, development)
    folder = at_home / "pulumi-state"
    folder.mkdir()
    assert "backend.writable" in found(looks.backend, development)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_backend_that_cannot_be_written_fails_by_rights(development, at_home):
    folder = at_home / "pulumi-state"
    folder.mkdir(mode=0o500)
    assert found(looks.backend, development)["backend.not_writable"].status == Finding.FAILED


def test_a_backend_that_cannot_be_written_fails(development, at_home, settings):
    (at_home / "file").write_text("")
    settings.PULUMI_BACKEND_URL = f"file://{at_home}/file"
    assert found(looks.backend, development)["backend.not_writable"].status == Finding.FAILED


def test_a_remote_backend_is_unknown_until_a_run_has_used_it(development, at_home, settings):
    for scheme, words in (("s3", "AWS"), ("gs", "GOOGLE"), ("azblob", "AZURE")):
        settings.PULUMI_BACKEND_URL = f"{scheme}://bucket?region=eu"
        item = found(looks.backend, development)["backend.remote"]
        assert item.status == Finding.UNKNOWN
        assert f"{scheme}://bucket can" in item.detail
        assert words in item.next_step


def test_the_address_of_a_remote_backend_is_told_without_its_password(
    development, at_home, settings
):
    settings.PULUMI_BACKEND_URL = "postgres://pulumi:hunter2@db.internal/state"
    item = found(looks.backend, development)["backend.remote"]
    assert "postgres://db.internal/state can" in item.detail
    assert "hunter2" not in item.detail + item.next_step


@pytest.mark.parametrize(
    ("url", "code"),
    [("https://app.example.com", "backend.unsupported"), ("s3://", "backend.malformed")],
)
def test_a_backend_that_no_engine_speaks_to_fails(development, at_home, settings, url, code):
    settings.PULUMI_BACKEND_URL = url
    item = found(looks.backend, development)[code]
    assert item.status == Finding.FAILED
    assert item.next_step


def test_the_branch_is_held_against_the_rules(development, at_home):
    assert "branch.any" in found(program_looks.program, development)
    development.protection.allowed_branches = ["main"]
    assert "branch.allowed" in found(program_looks.program, development)
    development.protection.allowed_branches = ["release/*"]
    item = found(program_looks.program, development)["branch.not_allowed"]
    assert "takes release/* only; the portal stands on main" in item.detail


@pytest.mark.slow
@pytest.mark.engine
def test_the_real_host_is_asked(development, settings, tmp_path):
    settings.ORCHESTRA_HOME = tmp_path
    settings.PULUMI_BACKEND_URL = f"file://{tmp_path}/pulumi-state"
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("of tests")
    passphrase.chmod(0o600)
    settings.PULUMI_PASSPHRASE_FILE = str(passphrase)
    items = {item.code: item for item in validate(development)}
    for code in ("engine.usable", "provider.usable", "state.readable", "backend.writable"):
        assert items[code].status == Finding.PASSED, items[code]
