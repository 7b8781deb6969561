"""Passphrase encryption, the files of a run, and digests."""

import copy
import hashlib
import json

import pytest
import yaml

from infra.engine_host import programs
from infra.engine_host.digests import plan_digest, state_digest
from infra.engine_host.passphrase import Encrypter, WrongPassphraseError
from infra.engine_host.protocol import ConfigValue, Program, Request
from infra.engine_host.workspace_files import SettingsError, read_salt, write_stack_file

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


@pytest.fixture(scope="module")
def encrypter():
    return Encrypter("correct horse")


def test_the_salt_opens_what_was_encrypted_before(encrypter):
    ciphertext = encrypter.encrypt("a secret ✓")
    again = Encrypter("correct horse", encrypter.salt_text)
    assert again.decrypt(ciphertext) == "a secret ✓"
    assert again.salt_text == encrypter.salt_text


def test_two_ciphertexts_of_one_value_differ(encrypter):
    assert encrypter.encrypt("x") != encrypter.encrypt("x")


def test_another_passphrase_is_found_out(encrypter):
    with pytest.raises(WrongPassphraseError):
        Encrypter("wrong", encrypter.salt_text)
    with pytest.raises(WrongPassphraseError):
        Encrypter("correct horse").decrypt(encrypter.encrypt("x"))


@pytest.mark.parametrize(
    "salt", ["v1", "v2:AAAA:v1:a:b", "v1:not base64:v1:a:b", "v1:AAAAAAAAAAA=:v1:AAAA:AAAA"]
)
def test_a_malformed_salt_is_no_crash(salt):
    with pytest.raises((WrongPassphraseError, ValueError)):
        Encrypter("correct horse", salt)


def _request(tmp_path, config):
    return Request(
        run="1",
        operation="preview",
        project="orchestra",
        stack="staging",
        work_dir=tmp_path,
        backend_url="file:///x",
        engine_roots=(),
        pulumi_home=tmp_path / "home",
        config=config,
    )


def test_settings_are_written_as_the_cli_writes_them(tmp_path, encrypter):
    request = _request(
        tmp_path,
        {
            "orchestra:environment": ConfigValue("staging"),
            "orchestra:mcp_enabled": ConfigValue(True),
            "orchestra:database": ConfigValue({"kind": "sqlite", "ports": [1, 2], "yes": "no"}),
            "orchestra:token": ConfigValue({"a": 1}, secret=True),
        },
    )
    write_stack_file(request, None, encrypter)
    document = yaml.safe_load((tmp_path / "Pulumi.staging.yaml").read_text())
    config = document["config"]
    assert config["orchestra:environment"] == "staging"
    assert config["orchestra:mcp_enabled"] == "true"
    assert config["orchestra:database"] == {"kind": "sqlite", "ports": [1, 2], "yes": "no"}
    assert json.loads(encrypter.decrypt(config["orchestra:token"]["secure"])) == {"a": 1}
    assert read_salt(request) == encrypter.salt_text
    assert (tmp_path / "Pulumi.staging.yaml").stat().st_mode & 0o077 == 0


def test_a_secret_without_a_passphrase_is_refused(tmp_path):
    request = _request(tmp_path, {"orchestra:token": ConfigValue("canary", secret=True)})
    with pytest.raises(SettingsError, match="orchestra:token") as refused:
        write_stack_file(request, None, None)
    assert "canary" not in str(refused.value)


STATE = {
    "manifest": {"time": "2026-11-22T00:00:00Z", "version": "v3.272.0"},
    "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:a"}},
    "metadata": {},
    "resources": [
        {
            "urn": "urn:a",
            "inputs": {"modified": 1, "token": {SIGNATURE: SECRET, "ciphertext": "v1:x:y"}},
            "modified": "2026-11-22T00:00:00Z",
            "sourcePosition": "project:///__main__.py#3",
            "stackTrace": [{}],
        }
    ],
}


def _changed(path, value):
    state = copy.deepcopy(STATE)
    target = state
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return state


@pytest.mark.parametrize(
    "path",
    [
        ["manifest", "time"],
        ["secrets_providers", "state", "salt"],
        ["resources", 0, "modified"],
        ["resources", 0, "sourcePosition"],
        ["resources", 0, "stackTrace"],
        ["resources", 0, "inputs", "token", "ciphertext"],
    ],
)
def test_what_means_nothing_does_not_change_the_states_digest(path):
    assert state_digest(_changed(path, "other")) == state_digest(STATE)


@pytest.mark.parametrize(
    "path",
    [
        ["resources", 0, "urn"],
        ["resources", 0, "inputs", "modified"],
        ["resources", 0, "inputs", "token"],
        ["resources", 0, "protect"],
        ["pending_operations"],
    ],
)
def test_what_means_something_changes_the_states_digest(path):
    value = (
        [{"resource": {"urn": "u"}, "type": "creating"}] if path[0] == "pending_operations" else "x"
    )
    assert state_digest(_changed(path, value)) != state_digest(STATE)


def test_a_stack_that_was_made_and_one_that_was_not_have_one_digest():
    assert state_digest(None) == state_digest(
        {"manifest": {}, "metadata": {}, "secrets_providers": {}}
    )


PLAN = {
    "manifest": {"time": "x"},
    "config": {"orchestra:a": "1", "orchestra:t": {"secure": "v1:a:b"}},
    "resourcePlans": {
        "urn:a": {"goal": {"inputDiff": {"adds": {"p": 1}}}, "steps": ["create"], "seed": "AAA"}
    },
}


def test_a_plans_digest_leaves_seeds_and_ciphertexts_out_and_nothing_else():
    other = copy.deepcopy(PLAN)
    other["manifest"]["time"] = "y"
    other["config"]["orchestra:t"]["secure"] = "v1:c:d"
    other["resourcePlans"]["urn:a"]["seed"] = "BBB"
    assert plan_digest(other) == plan_digest(PLAN)
    other["resourcePlans"]["urn:a"]["steps"] = ["update"]
    assert plan_digest(other) != plan_digest(PLAN)
    assert plan_digest({**PLAN, "config": {"orchestra:a": "2"}}) != plan_digest(PLAN)


def test_a_programs_digest_follows_its_files_and_not_their_caches(tmp_path):
    (tmp_path / "__main__.py").write_text("x = 1\n")
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    program = Program("directory", str(tmp_path))
    first = programs.program_digest(program)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"\0")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    assert programs.program_digest(program) == first
    (tmp_path / "lib.py").write_text("")
    assert programs.program_digest(program) != first
    assert programs.lock_digest(program) is None
    (tmp_path / "requirements.txt").write_text("pulumi\n")
    assert programs.lock_digest(program) != hashlib.sha256().hexdigest()
