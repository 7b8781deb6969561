"""Commands without a program: the same answers from every engine, whoever wrote the files."""

import json

import pytest
import yaml

from tests.infra.embedded_engine.engine_lab import PASSPHRASE, PROJECT, SECRET, SIGNATURE

pytestmark = pytest.mark.engine


def entry(name, type_="lab:index:Thing", **fields):
    return {
        "urn": f"urn:pulumi:dev::{PROJECT}::{type_}::{name}",
        "custom": False,
        "type": type_,
        **fields,
    }


def secret(text):
    return {SIGNATURE: SECRET, "plaintext": json.dumps(text)}


@pytest.fixture
def stocked(lab):
    """A stack with a root whose outputs hold secrets, and one component below it."""
    lab.init()
    root = entry(f"{PROJECT}-dev", "pulumi:pulumi:Stack")
    root["outputs"] = {"open": 1, "shut": secret("psst"), "bag": {"n": [1, secret({"k": 1})]}}
    lab.must("config", "set", "greeting", "hello", "--stack", "dev")
    document = json.loads(lab.must("stack", "export", "--stack", "dev"))
    document["deployment"]["resources"] = [root, entry("part", parent=root["urn"])]
    put(lab, document)
    return lab


def put(lab, document, *flags):
    file = lab.work / "deployment.json"
    file.write_text(json.dumps(document))
    return lab.call("stack", "import", "--file", str(file), "--stack", "dev", *flags)


def test_the_version_is_one_that_the_sdk_accepts(lab):
    assert lab.must("version").startswith("v3.")


def test_a_stack_is_made_once_and_selected(lab):
    made = lab.call("stack", "init", "dev")
    assert (made.code, made.stderr.strip()) == (0, "Created stack 'dev'")
    again = lab.call("stack", "init", "dev")
    assert again.code == 1
    assert again.stderr == "error: stack 'organization/lab/dev' already exists\n"
    found = json.loads(lab.must("stack", "ls", "--json"))
    assert [(s["name"], s["current"], s["resourceCount"]) for s in found] == [("dev", True, 0)]


def test_a_stack_that_is_not_there_has_an_exit_status_of_its_own(lab):
    missing = lab.call("stack", "select", "--stack", "nope")
    assert missing.code == 6
    assert missing.stderr == "error: no stack named 'nope' found\n"


def test_a_settings_file_of_another_passphrase_keeps_the_stack_from_being_made(lab):
    lab.init()
    lab.must("stack", "rm", "--yes", "--preserve-config", "dev")
    refused = lab.call("stack", "init", "dev", env={"PULUMI_CONFIG_PASSPHRASE": "other"})
    assert refused.code == 1
    assert "incorrect passphrase" in refused.stderr
    lab.init()


def test_the_selection_follows_select(lab):
    lab.init("dev").init("other")
    lab.must("stack", "select", "--stack", "dev")
    current = [s["name"] for s in json.loads(lab.must("stack", "ls", "--json")) if s["current"]]
    assert current == ["dev"]


def test_outputs_hide_secrets_in_place_unless_they_are_asked_for(stocked):
    hidden = {"bag": {"n": [1, "[secret]"]}, "open": 1, "shut": "[secret]"}
    assert stocked.json("stack", "output") == hidden
    shown = stocked.json("stack", "output", "--show-secrets")
    assert shown == {"bag": {"n": [1, {"k": 1}]}, "open": 1, "shut": "psst"}


def test_outputs_without_secrets_need_no_passphrase(stocked):
    other = {"PULUMI_CONFIG_PASSPHRASE": "wrong"}
    assert stocked.json("stack", "output", env=other)["shut"] == "[secret]"
    refused = stocked.call(
        "stack", "output", "--json", "--show-secrets", "--stack", "dev", env=other
    )
    assert refused.code != 0
    assert "failed to decrypt: incorrect passphrase" in refused.stderr


def test_no_secret_stands_in_any_file(stocked):
    for file in [*stocked.backend.rglob("*"), *stocked.work.glob("Pulumi*")]:
        assert not file.is_file() or b"psst" not in file.read_bytes(), file


def test_an_export_comes_back_as_it_went(stocked):
    document = json.loads(stocked.must("stack", "export", "--stack", "dev", "--show-secrets"))
    assert document["version"] == 3
    assert document["deployment"]["resources"][0]["outputs"]["shut"] == secret("psst")
    assert put(stocked, document).code == 0
    again = json.loads(stocked.must("stack", "export", "--stack", "dev", "--show-secrets"))
    assert again["deployment"]["resources"] == document["deployment"]["resources"]


def test_a_document_with_a_missing_parent_is_refused_unless_forced(stocked):
    document = json.loads(stocked.must("stack", "export", "--stack", "dev"))
    document["deployment"]["resources"].pop(0)
    before = stocked.state_file.read_bytes()
    refused = put(stocked, document)
    assert refused.code == 1
    assert "refers to missing parent urn:pulumi:dev::lab::pulumi:pulumi:Stack" in refused.stderr
    assert "rerun with --force to proceed anyway" in refused.stderr
    assert stocked.state_file.read_bytes() == before
    assert put(stocked, document, "--force").code == 0


def test_pending_operations_of_a_document_are_dropped_with_a_warning(stocked):
    document = json.loads(stocked.must("stack", "export", "--stack", "dev"))
    pending = entry("half", "ledger:index:Entry", custom=True)
    document["deployment"]["pending_operations"] = [{"resource": pending, "type": "creating"}]
    done = put(stocked, document)
    assert done.code == 0
    assert "removing pending operation 'creating' on" in done.stderr
    assert stocked.pending() == {}


def test_a_stack_with_resources_is_only_removed_by_force(stocked):
    refused = stocked.call("stack", "rm", "--yes", "dev")
    assert refused.code == 1
    assert refused.stderr.startswith("error: 'dev' still has resources; removal rejected.")
    stocked.must("stack", "rm", "--yes", "--force", "dev")
    assert json.loads(stocked.must("stack", "ls", "--json")) == []
    assert not (stocked.work / "Pulumi.dev.yaml").exists()
    assert stocked.state_file.with_name("dev.json.bak").exists()


def test_renaming_moves_urns_settings_and_selection(stocked):
    stocked.must("stack", "rename", "live", "--stack", "dev")
    assert json.loads(stocked.must("stack", "output", "--json", "--stack", "live"))["open"] == 1
    assert stocked.call("stack", "output", "--stack", "dev").code == 6
    document = json.loads(stocked.must("stack", "export", "--stack", "live"))
    urns = [r["urn"] for r in document["deployment"]["resources"]]
    assert urns[0] == "urn:pulumi:live::lab::pulumi:pulumi:Stack::lab-live"
    assert all("urn:pulumi:dev" not in urn for urn in urns)
    assert "conf" not in (stocked.work / "Pulumi.live.yaml").read_text()[:4]
    found = json.loads(stocked.must("stack", "ls", "--json"))
    assert [(s["name"], s["current"]) for s in found] == [("live", True)]


def test_tags(lab):
    lab.init()
    lab.must("stack", "tag", "set", "owner", "team a", "--stack", "dev")
    assert lab.json("stack", "tag", "ls") == {"owner": "team a"}
    assert lab.must("stack", "tag", "get", "owner", "--stack", "dev").strip() == "team a"
    lab.must("stack", "tag", "rm", "owner", "--stack", "dev")
    missing = lab.call("stack", "tag", "get", "owner", "--stack", "dev")
    assert missing.code == 1
    assert missing.stderr == "error: stack tag 'owner' not found for stack 'dev'\n"


def test_a_foreign_lock_keeps_changes_out_and_cancel_removes_it(stocked):
    folder = stocked.backend / ".pulumi" / "locks" / "organization" / PROJECT / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    owner = {"pid": 77, "username": "ada", "hostname": "far", "timestamp": "2026-01-02T03:04:05.6Z"}
    (folder / "6f1e1cf2-8c5f-4f43-9d26-8e2a2b7a4b11.json").write_text(json.dumps(owner))
    for change in (["stack", "rm", "--yes", "--force"], ["stack", "rename", "x"]):
        refused = stocked.call(*change, *([] if "rm" in change else ["--stack"]), "dev")
        assert refused.code == 1
        assert "the stack is currently locked by 1 lock(s)" in refused.stderr
        assert "created by ada@far (pid 77) at 2026-01-02T03:04:05Z" in refused.stderr
    stocked.json("stack", "output")
    assert "has been canceled" in stocked.must("cancel", "--yes", "--stack", "dev")
    stocked.must("stack", "rename", "x", "--stack", "dev")


# ---- configuration ----


def test_configuration_is_set_read_and_removed(lab):
    lab.init()
    at = ["--stack", "dev"]
    lab.must("config", "set", "plain", "--plaintext", *at, "--non-interactive", "--", "-12")
    lab.must("config", "set", "hidden", "--secret", *at, "--", "hush")
    lab.must("config", "set", "--path", "tree.list[1].leaf", "--plaintext", *at, "--", "7")
    lab.must("config", "set-all", *at, "--plaintext", "other:a=b=c", "--secret", "multi=x\ny")
    assert lab.json("config", "get", "plain") == {"value": "-12", "secret": False}
    assert lab.json("config", "get", "--path", "tree.list[1]")["value"] == '{"leaf":7}'
    found = lab.json("config", "--show-secrets")
    assert found["lab:hidden"] == {"value": "hush", "secret": True}
    assert found["lab:multi"] == {"value": "x\ny", "secret": True}
    assert found["other:a"] == {"value": "b=c", "secret": False}
    assert found["lab:tree"]["objectValue"] == {"list": [None, {"leaf": 7}]}
    assert "value" not in lab.json("config")["lab:hidden"]
    lab.must("config", "rm-all", *at, "plain", "hidden", "nothing")
    lab.must("config", "rm", "--path", "tree.list[0]", *at)
    assert set(lab.json("config")) == {"lab:multi", "lab:tree", "other:a"}
    assert lab.json("config", "get", "tree")["value"] == '{"list":[{"leaf":7}]}'


def test_a_secret_below_a_path_makes_the_whole_key_secret(lab):
    lab.init()
    lab.must("config", "set", "--path", "db.password", "--secret", "--stack", "dev", "--", "pw")
    document = yaml.safe_load((lab.work / "Pulumi.dev.yaml").read_text())
    assert set(document["config"]["lab:db"]["password"]) == {"secure"}
    assert lab.json("config")["lab:db"] == {"secret": True}
    assert lab.json("config", "get", "--path", "db.password") == {"value": "pw", "secret": True}


def test_a_missing_key_is_named(lab):
    lab.init()
    missing = lab.call("config", "get", "gone", "--json", "--stack", "dev")
    assert missing.code == 1
    assert missing.stderr == "error: configuration key 'gone' not found for stack 'dev'\n"


def test_configuration_as_json_goes_in_as_it_comes_out(lab):
    lab.init()
    given = {"lab:a": {"value": "1", "secret": False}, "lab:s": {"value": "2", "secret": True}}
    lab.must("config", "set-all", "--stack", "dev", "--json", json.dumps(given))
    assert lab.json("config", "--show-secrets") == given


def test_configuration_cannot_be_taken_back_without_a_deployment(lab):
    lab.init()
    refused = lab.call("config", "refresh", "--force", "--stack", "dev")
    assert refused.code == 1
    assert "no previous deployment" in refused.stderr


def test_a_new_passphrase_opens_configuration_and_state_and_the_old_one_does_not(stocked):
    stocked.must("config", "set", "hidden", "--secret", "--stack", "dev", "--", "hush")
    stocked.must(
        "stack", "change-secrets-provider", "passphrase", "--stack", "dev", stdin="new\nnew\n"
    )
    new, old = ({"PULUMI_CONFIG_PASSPHRASE": p} for p in ("new", PASSPHRASE))
    assert stocked.json("stack", "output", "--show-secrets", env=new)["shut"] == "psst"
    assert stocked.json("config", "--show-secrets", env=new)["lab:hidden"]["value"] == "hush"
    for command in (["stack", "output"], ["config"]):
        refused = stocked.call(*command, "--json", "--show-secrets", "--stack", "dev", env=old)
        assert refused.code != 0
        assert "incorrect passphrase" in refused.stderr


# ---- what only we promise ----


def test_protection_is_taken_away_by_name(ours):
    ours.init()
    root = entry(f"{PROJECT}-dev", "pulumi:pulumi:Stack")
    part = entry("part", parent=root["urn"], protect=True)
    document = {"version": 3, "deployment": {**ours.latest, "resources": [root, part]}}
    assert put(ours, document).code == 0
    assert ours.call("state", "unprotect", "--yes", "urn:none", "--stack", "dev").code == 1
    ours.must("state", "unprotect", "--yes", part["urn"], "--stack", "dev")
    assert "protect" not in ours.latest["resources"][1]


def test_unknown_keys_of_a_newer_cli_survive(ours):
    ours.init()
    root = entry(f"{PROJECT}-dev", "pulumi:pulumi:Stack", somethingNew={"a": [1]})
    assert put(ours, {"version": 3, "deployment": {**ours.latest, "resources": [root]}}).code == 0
    assert ours.latest["resources"][0]["somethingNew"] == {"a": [1]}


def test_a_document_of_a_newer_version_is_refused(ours):
    ours.init()
    refused = put(ours, {"version": 99, "deployment": ours.latest})
    assert refused.code == 1
    assert "newer than what this version of the Pulumi CLI understands" in refused.stderr


def test_a_full_disk_leaves_the_old_state(ours):
    ours.init()
    before = ours.state_file.read_bytes()
    file = ours.work / "deployment.json"
    root = entry(f"{PROJECT}-dev", "pulumi:pulumi:Stack", outputs={"x": "y" * 50_000})
    file.write_text(json.dumps({"version": 3, "deployment": {**ours.latest, "resources": [root]}}))
    done = ours.call("stack", "import", "--file", str(file), "--stack", "dev", disk=20_000)
    assert done.code == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert ours.state_file.read_bytes() == before
    assert ours.locks() == []
    assert list(ours.backend.rglob(".tmp-*")) == []
