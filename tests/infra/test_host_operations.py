"""One stack through the engine host and the embedded engine: plan, apply, drift, destroy."""

import json
import pathlib
import sqlite3

import pytest

from infra.embedded_engine.backend import Backend, StackRef
from infra.embedded_engine.journal import Journal

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROGRAMS = pathlib.Path(__file__).with_name("programs")


def _succeeded(result):
    assert (result["outcome"], result["code"], result["reason"]) == ("succeeded", "", ""), result
    return result


def _database(stack):
    return pathlib.Path(stack.config["orchestra:database"]["value"]["path"])


def test_a_stack_is_planned_applied_left_alone_and_destroyed(stack):
    planned = _succeeded(stack.run("preview"))
    assert planned["changes"]["create"] == 5  # stack, three components, one file
    assert planned["state"] is None
    assert planned["state_digest_before"] == planned["state_digest_after"]
    assert not _database(stack).exists()

    lines = stack.lines("update")
    applied = _succeeded(lines[-1])
    assert applied["changes"] == {"create": 5}
    assert applied["state_digest_before"] == planned["state_digest_before"]
    assert applied["state_digest_after"] != applied["state_digest_before"]
    assert applied["outputs"]["database"]["path"] == str(_database(stack))
    assert applied["pending_operations"] == applied["locks"] == []
    assert len([line for line in lines if line["type"] == "engine"]) == 1
    assert sqlite3.connect(_database(stack)).execute("PRAGMA journal_mode").fetchone() == ("wal",)

    unchanged = _succeeded(stack.run("update"))
    assert unchanged["changes"] == {"same": 5}
    assert unchanged["state_digest_after"] == applied["state_digest_after"]

    to_go = _succeeded(stack.run("preview", destroy=True))
    assert to_go["changes"] == {"delete": 5}
    destroyed = _succeeded(stack.run("destroy"))
    assert destroyed["changes"] == {"delete": 5}
    assert destroyed["outputs"] == {}
    assert not _database(stack).exists()


def test_the_lines_of_a_run_come_in_the_order_of_the_contract(stack):
    lines = stack.lines("update")
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "hello"
    assert kinds[-1] == "result"
    # The first process makes the stack, the second one is the operation.
    assert [kind for kind in kinds if kind.startswith("engine")] == ["engine", "engine_exit"] * 2
    ends = [n for n, kind in enumerate(kinds) if kind == "engine_exit"]
    assert ends[0] < kinds.index("event") < ends[1]
    events = [line["event"] for line in lines if line["type"] == "event"]
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))
    assert "preludeEvent" in events[0]
    assert "cancelEvent" in events[-1]
    assert not [e for e in events if e.get("diagnosticEvent", {}).get("severity") == "debug"]
    engines = [line for line in lines if line["type"] == "engine"]
    assert all(line["start_ticks"] and line["pid"] for line in engines)
    assert [line["code"] for line in lines if line["type"] == "engine_exit"] == [0] * len(engines)


def test_the_state_holds_no_paths_of_this_machine(stack):
    state = json.dumps(stack.run("update")["state"])
    assert "sourcePosition" not in state
    assert "stackTrace" not in state
    assert "engine_host" not in state


def test_what_changed_behind_the_stacks_back_is_drift_and_can_be_corrected(stack):
    _succeeded(stack.run("update"))
    assert _succeeded(stack.run("drift"))["changes"].keys() == {"same"}
    _database(stack).chmod(0o644)
    lines = stack.lines("drift")
    assert _succeeded(lines[-1])["changes"]["update"] == 1
    changed = [
        line["event"]["resOutputsEvent"]["metadata"]
        for line in lines
        if line["type"] == "event" and "resOutputsEvent" in line["event"]
    ]
    (database,) = [m for m in changed if m["op"] == "update"]
    assert list(database["detailedDiff"]) == ["mode"]
    corrected = _succeeded(stack.run("update", refresh=True))
    assert corrected["changes"]["update"] == 1
    assert _database(stack).stat().st_mode & 0o777 == 0o600
    _database(stack).unlink()
    assert _succeeded(stack.run("drift"))["changes"]["delete"] == 1
    accepted = _succeeded(stack.run("refresh"))
    assert accepted["changes"]["delete"] == 1
    assert _succeeded(stack.run("update"))["changes"]["create"] == 1


def test_the_same_preview_makes_the_same_plan_and_an_update_is_held_to_it(stack):
    stack.config["orchestra:key"] = {"value": "canary-in-the-plan", "secret": True}
    plan = stack.folder / "plan.json"
    planned = _succeeded(stack.run("preview", plan=str(plan)))
    assert len(planned["plan_digest"]) == 64
    assert "canary-in-the-plan" not in plan.read_text()
    assert plan.stat().st_mode & 0o077 == 0
    again = _succeeded(stack.run("preview", plan=str(stack.folder / "again.json")))
    assert again["plan_digest"] == planned["plan_digest"]
    assert again["state_digest_before"] == planned["state_digest_before"]
    before = plan.read_bytes()
    looked = _succeeded(stack.run("inspect", plan=str(plan)))
    assert looked["plan_digest"] == planned["plan_digest"]
    assert plan.read_bytes() == before
    applied = _succeeded(stack.run("update", plan=str(plan)))
    assert applied["changes"] == {"create": 5}
    assert applied["state_digest_before"] == planned["state_digest_before"]
    assert applied["plan_digest"] == planned["plan_digest"]


def test_a_look_tells_the_digest_of_a_plan_that_was_edited(stack):
    plan = stack.folder / "plan.json"
    planned = _succeeded(stack.run("preview", plan=str(plan)))
    document = json.loads(plan.read_text())
    urn = next(name for name in document["resourcePlans"] if "Database" in name)
    edited = [
        {**document, "resourcePlans": {**document["resourcePlans"], urn: {"steps": ["delete"]}}},
        {**document, "resourcePlans": [urn]},
        {"resourcePlans": {urn: "anything"}, "config": "anything"},
    ]
    found = {planned["plan_digest"]}
    for other in edited:
        plan.write_text(json.dumps(other))
        found.add(_succeeded(stack.run("inspect", plan=str(plan)))["plan_digest"])
    assert len(found) == 4
    assert _succeeded(stack.run("inspect"))["plan_digest"] is None


def test_an_update_is_held_to_its_plan_before_the_first_change(stack):
    plan = str(stack.folder / "plan.json")
    _succeeded(stack.run("preview", plan=plan))
    other = str(_database(stack)).replace("platform", "other")
    stack.config["orchestra:database"]["value"]["path"] = other
    result = stack.run("update", plan=plan)
    assert (result["outcome"], result["code"]) == ("failed", "engine.plan_violated"), result
    assert not pathlib.Path(other).exists()
    assert not _database(stack).exists()


def test_secrets_of_the_settings_stand_in_no_line_and_no_file(stack):
    stack.config["orchestra:lambda_labs_api_key"] = {"value": "canary-of-lambda", "secret": True}
    lines = stack.lines("update")
    _succeeded(lines[-1])
    assert "canary-of-lambda" not in json.dumps(lines)
    for path in stack.folder.rglob("*"):
        assert not path.is_file() or b"canary-of-lambda" not in path.read_bytes(), path
    salt = stack.salt
    assert _succeeded(stack.run("update"))["encryption_salt"] == salt


def test_a_state_can_be_put_back(stack):
    first = _succeeded(stack.run("update"))
    copy = stack.folder / "copy.json"
    copy.write_text(json.dumps(first["state"]))
    _succeeded(stack.run("destroy"))
    restored = _succeeded(stack.run("restore", state=str(copy)))
    assert restored["state_digest_after"] == first["state_digest_after"]
    # The file went with the destroy: a drift run sees that, an update makes it again.
    assert _succeeded(stack.run("drift"))["changes"]["delete"] == 1
    _succeeded(stack.run("refresh"))
    _succeeded(stack.run("update"))
    assert _database(stack).exists()


def test_a_state_that_is_none_is_not_put_back(stack):
    copy = stack.folder / "copy.json"
    copy.write_text("{}")
    result = stack.run("restore", state=str(copy))
    assert (result["outcome"], result["code"]) == ("refused", "state.damaged")


def test_a_program_that_raises_is_told_from_everything_else(stack):
    stack.program = {"kind": "directory", "path": str(PROGRAMS / "raises")}
    result = stack.run("preview")
    assert (result["outcome"], result["code"]) == ("failed", "program.raised")
    assert "the team divided by zero" in result["reason"]


def test_a_bad_setting_is_named_with_its_place(stack):
    stack.config["orchestra:database"]["value"] = {"kind": "oracle"}
    result = stack.run("preview")
    assert (result["outcome"], result["code"]) == ("failed", "settings.malformed")
    assert "database.kind is one of sqlite, postgres, not 'oracle'" in result["reason"]
    assert result["next_step"] == "Correct it in the environment's settings."


def test_a_wrong_passphrase_is_refused(stack):
    stack.config["orchestra:key"] = {"value": "x", "secret": True}
    _succeeded(stack.run("update"))
    del stack.config["orchestra:key"]
    stack.passphrase = "wrong"
    result = stack.run("update")
    assert (result["outcome"], result["code"]) == ("refused", "passphrase.wrong"), result


def test_a_lock_of_another_process_is_respected(stack):
    _succeeded(stack.run("update"))
    locks = stack.folder / "state/.pulumi/locks/organization/orchestra/development"
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "u", "hostname": "h", "timestamp": "2026-11-22T00:00:00Z"}
    (locks / "a.json").write_text(json.dumps(lock))
    result = stack.run("update")
    assert (result["outcome"], result["code"]) == ("refused", "engine.locked")
    assert [found["name"] for found in result["locks"]] == ["a"]
    assert _succeeded(stack.run("preview"))
    _succeeded(stack.run("unlock", locks=result["locks"]))
    _succeeded(stack.run("update"))


def test_what_an_engine_leaves_out_is_refused_by_name(stack):
    result = stack.run("update", backend_url="s3://nowhere")
    assert (result["outcome"], result["code"]) == ("refused", "engine.unsupported"), result
    assert "s3" in result["reason"]


def test_what_a_killed_engine_left_in_its_journal_is_seen_and_folded_with_its_lock(stack):
    deployed = _succeeded(stack.run("update"))
    resource = deployed["state"]["deployment"]["resources"][-1]
    folder = stack.folder / "state"
    journal = Journal(Backend(f"file://{folder}"), StackRef("orchestra", "development"))
    journal.append({"pending_operations": {"99": {"resource": resource, "type": "updating"}}})
    locks = folder / ".pulumi/locks/organization/orchestra/development"
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "u", "hostname": "h", "timestamp": "2026-11-22T00:00:00Z"}
    (locks / "a.json").write_text(json.dumps(lock))
    found = _succeeded(stack.run("inspect"))
    assert [p["operation"] for p in found["pending_operations"]] == ["updating"]
    assert stack.run("unlock", locks=[{"name": "a", "pid": 2, "hostname": "h"}])["code"] == (
        "engine.locked"
    )
    unlocked = _succeeded(stack.run("unlock", locks=found["locks"]))
    assert unlocked["locks"] == []
    assert list((folder / ".pulumi/stacks/orchestra").glob("*.journal")) == []
    assert stack.run("update")["code"] == "state.pending_operations"
    assert _succeeded(stack.run("refresh"))["pending_operations"] == []
