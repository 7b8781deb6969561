"""The engine host around an operation: hello, refusals, locks, restore."""

import json
import os
import re
import shutil
import subprocess

import pytest

from infra.engine_host.passphrase import Encrypter
from tests.infra.host import EMBEDDED, HOST, ROOT

pytestmark = pytest.mark.engine

# The rows of the contract's table; a row may name two keys.
TABLE = (ROOT / "infra/engine_host/README.md").read_text().split("### Result")[1].split("\n## ")[0]
RESULT_KEYS = {
    key
    for row in TABLE.splitlines()
    if row.startswith("| `")
    for key in re.findall(r"`([a-z_]+)`", row.split("|")[1])
}


def test_describe_says_who_answers_and_touches_nothing(stack):
    hello, result = stack.lines("describe")
    assert hello["type"] == "hello"
    assert hello["protocol"] == 1
    assert hello["engine"] == {
        "name": "embedded",
        "version": hello["engine"]["version"],
        "root": EMBEDDED,
    }
    assert hello["provider"]["name"] == "orchestra"
    assert len(hello["program"]["digest"]) == len(hello["program"]["lock_digest"]) == 64
    assert result["outcome"] == "succeeded"
    assert not (stack.folder / "state").exists()


def test_the_first_candidate_that_answers_is_the_engine(stack, tmp_path):
    broken = tmp_path / "broken" / "bin"
    broken.mkdir(parents=True)
    (broken / "pulumi").write_text("#!/bin/sh\nexit 3\n")
    (broken / "pulumi").chmod(0o755)
    roots = ["/nonexistent", str(broken.parent), EMBEDDED]
    hello = stack.lines("describe", engine_roots=roots)[0]
    assert hello["engine"]["root"] == EMBEDDED


def test_without_an_engine_the_run_is_refused_and_says_why(stack):
    hello, result = stack.lines("preview", engine_roots=["/nonexistent"])
    assert hello["engine"] is None
    assert (result["outcome"], result["code"]) == ("refused", "engine.not_found")
    assert "/nonexistent: no bin/pulumi there" in result["reason"]
    assert result["next_step"]
    assert set(result) - {"type", "at"} == RESULT_KEYS


def test_a_broken_request_gets_a_result_and_exit_status_0():
    done = subprocess.run(HOST, cwd=ROOT, input="{}\n", capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert (result["outcome"], result["code"]) == ("refused", "host.broken")
    assert set(result) - {"type", "at"} == RESULT_KEYS


def test_a_program_that_is_not_there_is_named(stack):
    stack.program = {"kind": "directory", "path": str(stack.folder / "nowhere")}
    result = stack.run("preview")
    assert (result["outcome"], result["code"]) == ("refused", "program.missing")
    assert "nowhere" in result["reason"]


def test_a_malformed_key_is_named_and_its_value_is_not(stack):
    stack.config["no-namespace"] = {"value": "canary-value", "secret": True}
    result = stack.run("preview")
    assert (result["outcome"], result["code"]) == ("refused", "settings.malformed")
    assert "no-namespace" in result["reason"]
    assert "canary" not in json.dumps(result)


def test_a_wrong_passphrase_is_refused_before_anything_is_touched(stack):
    stack.salt = Encrypter("another passphrase").salt_text
    stack.config["orchestra:lambda_labs_api_key"] = {"value": "canary", "secret": True}
    result = stack.run("preview")
    assert (result["outcome"], result["code"]) == ("refused", "passphrase.wrong")


def test_inspecting_a_stack_that_was_never_deployed_finds_nothing(stack):
    result = stack.run("inspect")
    assert result["outcome"] == "succeeded"
    assert set(result) - {"type", "at"} == RESULT_KEYS
    assert result["state"] is None
    assert (result["locks"], result["pending_operations"], result["outputs"]) == ([], [], {})


def test_only_the_described_lock_is_removed(stack):
    locks = stack.folder / "state/.pulumi/locks/organization/orchestra/development"
    locks.mkdir(parents=True)
    for name, pid in (("a", 1), ("b", 2)):
        lock = {"pid": pid, "username": "u", "hostname": "h", "timestamp": "2026-11-22T00:00:00Z"}
        (locks / f"{name}.json").write_text(json.dumps(lock))
        (locks / f"{name}.json.attrs").write_text("{}")
    found = stack.run("inspect")["locks"]
    assert [(lock["name"], lock["pid"], lock["hostname"]) for lock in found] == [
        ("a", 1, "h"),
        ("b", 2, "h"),
    ]
    wrong = stack.run("unlock", locks=[{**found[0], "pid": 99}])
    assert (wrong["outcome"], wrong["code"]) == ("refused", "engine.locked")
    assert len(wrong["locks"]) == 2
    result = stack.run("unlock", locks=[found[0]])
    assert result["outcome"] == "succeeded"
    assert [lock["name"] for lock in result["locks"]] == ["b"]
    assert sorted(path.name for path in locks.iterdir()) == ["b.json", "b.json.attrs"]


def test_a_state_that_cannot_be_read_is_said_to_be_damaged(stack):
    path = stack.folder / "state/.pulumi/stacks/orchestra/development.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"version": 3, "checkpoint": {"latest"')
    for operation in ("inspect", "preview"):
        result = stack.run(operation)
        assert (result["outcome"], result["code"]) == ("refused", "state.damaged")


def test_nothing_of_a_run_can_be_read_by_others(stack):
    stack.config["orchestra:lambda_labs_api_key"] = {"value": "canary-key", "secret": True}
    stack.run("preview")
    files = [path for path in stack.work_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path
        assert b"canary-key" not in path.read_bytes(), path
    assert (stack.folder / "state").stat().st_mode & 0o077 == 0


def test_a_secret_setting_written_by_the_host_is_read_by_the_engine(stack):
    stack.config["orchestra:lambda_labs_api_key"] = {"value": "canary ✓ key", "secret": True}
    stack.run("preview")
    assert stack.salt
    environment = {
        "PATH": os.environ["PATH"],
        "PULUMI_BACKEND_URL": f"file://{stack.folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": stack.passphrase,
        "PULUMI_HOME": str(stack.folder / "home2"),
        "PULUMI_PYTHON_CMD": HOST[0],
    }
    command = [f"{EMBEDDED}/bin/pulumi", "--non-interactive", "config", "get"]
    key = "orchestra:lambda_labs_api_key"
    done = subprocess.run(
        [*command, key, "--json", "--stack", stack.stack],
        cwd=stack.work_dir,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"value": "canary ✓ key", "secret": True}


def test_the_engine_that_stays_away_from_the_portals_environment(stack, tmp_path):
    spy = tmp_path / "spy" / "bin"
    spy.mkdir(parents=True)
    (spy / "pulumi").write_text(
        '#!/bin/sh\ncase "$*" in version) echo v3.272.0;; *) env > "$HOME/seen"; exit 1;; esac\n'
    )
    (spy / "pulumi").chmod(0o755)
    environment = {
        "HOME": str(tmp_path),
        "DJANGO_SECRET_KEY": "canary",
        "DATABASE_URL": "canary",
        "PULUMI_CONFIG_PASSPHRASE": "canary",
        "PULUMI_OPTION_PARALLEL": "canary",
    }
    stack.start("update", environment, engine_roots=[str(spy.parent)]).finish()
    seen = (tmp_path / "seen").read_text()
    assert "canary" not in seen
    assert "PULUMI_CONFIG_PASSPHRASE_FILE=" in seen
    assert "PULUMI_SKIP_UPDATE_CHECK=true" in seen


def test_a_disk_without_space_for_the_run_ends_in_a_result(stack):
    # /dev/full takes every open and refuses every write, as a full disk does.
    stack.run("describe")
    work_dir = stack.folder / "full"
    work_dir.mkdir()
    (work_dir / "Pulumi.yaml").symlink_to("/dev/full")
    result = stack.start("preview", work_dir=str(work_dir)).finish()[-1]
    assert (result["outcome"], result["code"]) == ("errored", "disk.full")
    shutil.rmtree(work_dir)
