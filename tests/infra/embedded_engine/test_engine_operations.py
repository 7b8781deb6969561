"""What preview, up, refresh and destroy do, held against every engine at hand."""

import json

import pulumi
import pytest
from pulumi import ResourceOptions

from tests.infra.embedded_engine.conftest import cli_root
from tests.infra.embedded_engine.engine_lab import ENGINE, PROJECT, UNKNOWN, Entry, ok, pair

pytestmark = ENGINE


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("lab:index:Group", name, None, opts)
        self.child = Entry(f"{name}-child", {"v": 1}, ResourceOptions(parent=self))
        self.register_outputs({"child": self.child.number})


@pytest.fixture
def stack(lab):
    return lab.init()


# ---- one life ----


def test_an_update_makes_what_the_program_says_and_a_second_one_nothing(stack):
    made = ok(stack.up(pair()))
    assert made.changes == {"create": 3}
    assert sorted(stack.ledger.real) == ["first-1", "second-2"]
    assert stack.entries()["second-2"]["inputs"] == {"of": 1}
    assert stack.entries()["second-2"]["dependencies"] == [stack.entries()["first-1"]["urn"]]
    assert stack.json("stack", "output") == {"hidden": "[secret]", "number": 1}
    again = ok(stack.up(pair()))
    assert again.changes == {"same": 3}
    assert stack.ledger.count("Create") == 2
    assert stack.ledger.count("Update") == 0


def test_a_preview_says_what_would_happen_and_touches_nothing(stack):
    before = {p: p.read_bytes() for p in stack.backend.rglob("*") if p.is_file()}
    planned = ok(stack.preview(pair()))
    assert planned.changes == {"create": 3}
    assert stack.ledger.real == {}
    assert {p: p.read_bytes() for p in stack.backend.rglob("*") if p.is_file()} == before
    second = next(
        e["resourcePreEvent"]["metadata"]["new"]["inputs"]
        for e in planned.events
        if "resourcePreEvent" in e and e["resourcePreEvent"]["metadata"]["urn"].endswith("::second")
    )
    assert second == {"of": UNKNOWN}


def test_changed_inputs_update_and_fixed_ones_replace(stack):
    ok(stack.up(pair(1, fixed="a")))
    changed = ok(stack.up(pair(2, fixed="a")))
    assert changed.changes == {"update": 1, "same": 2}
    replaced = ok(stack.up(pair(2, fixed="b")))
    assert replaced.changes == {"replace": 1, "update": 1, "same": 1}
    assert replaced.steps("first") == ["create-replacement", "replace", "delete-replaced"]
    assert sorted(stack.ledger.real) == ["first-3", "second-2"]
    assert stack.entries()["second-2"]["inputs"] == {"of": 3}


def test_delete_before_replace_takes_the_old_one_first(stack):
    ok(stack.up(pair(fixed="a", alone=True)))
    stack.ledger.calls.clear()
    ok(stack.up(pair(fixed="b", alone=True)))
    order = [(m, n) for m, n, _ in stack.ledger.calls if m in ("Create", "Delete") and n == "first"]
    assert order == [("Delete", "first"), ("Create", "first")]


def test_what_the_program_no_longer_names_is_deleted_dependents_first(stack):
    ok(stack.up(pair()))
    gone = ok(stack.up(lambda: None))
    assert gone.changes == {"delete": 2, "same": 1}
    deleted = [n for m, n, _ in stack.ledger.calls if m == "Delete"]
    assert deleted == ["second", "first"]
    assert stack.ledger.real == {}


def test_destroy_leaves_nothing(stack):
    ok(stack.up(pair()))
    done = ok(stack.destroy())
    assert done.changes == {"delete": 3}
    assert stack.ledger.real == {}
    assert stack.latest.get("resources", []) == []
    assert stack.locks() == []


def test_components_hold_their_children(stack):
    ok(stack.up(lambda: pulumi.export("n", Group("g").child.number)))
    (child,) = stack.entries().values()
    assert child["urn"].endswith("lab:index:Group$ledger:index:Entry::g-child")
    group = next(r for r in stack.latest["resources"] if r["type"] == "lab:index:Group")
    assert group["outputs"] == {"child": 1}
    assert child["parent"] == group["urn"]


# ---- drift ----


def test_drift_is_seen_by_a_preview_of_refresh_and_taken_over_by_refresh(stack):
    ok(stack.up(pair()))
    stack.ledger.real["first-1"]["v"] = 9
    seen = ok(stack.refresh("--preview-only"))
    assert seen.changes == {"same": 2, "update": 1}
    assert stack.entries()["first-1"]["inputs"] == {"v": 1}
    ok(stack.refresh())
    assert stack.entries()["first-1"]["inputs"] == {"v": 9}
    assert ok(stack.up(pair())).changes == {"same": 2, "update": 1}
    assert stack.ledger.real["first-1"] == {"v": 1}


def test_what_vanished_is_forgotten_and_made_again(stack):
    ok(stack.up(pair()))
    del stack.ledger.real["second-2"]
    assert ok(stack.refresh()).changes == {"delete": 1, "same": 2}
    assert sorted(stack.entries()) == ["first-1"]
    assert ok(stack.up(pair())).changes == {"create": 1, "same": 2}


def test_an_update_can_refresh_first(stack):
    ok(stack.up(pair()))
    stack.ledger.real["first-1"]["v"] = 9
    done = ok(stack.up(pair(), "--refresh"))
    assert done.steps("first") == ["refresh", "update"]
    assert stack.ledger.real["first-1"] == {"v": 1}


# ---- options of resources ----


def test_a_protected_resource_is_not_deleted(stack):
    ok(stack.up(lambda: Entry("a", {}, ResourceOptions(protect=True)) and None))
    refused = stack.destroy()
    assert refused.code == 1
    assert any(
        "cannot be deleted" in text and "pulumi state unprotect" in text for text in refused.errors
    )
    assert sorted(stack.ledger.real) == ["a-1"]
    assert sorted(stack.entries()) == ["a-1"]


def test_retained_resources_are_forgotten_but_stay(stack):
    ok(stack.up(lambda: Entry("a", {}, ResourceOptions(retain_on_delete=True)) and None))
    ok(stack.destroy())
    assert sorted(stack.ledger.real) == ["a-1"]
    assert stack.ledger.count("Delete") == 0


def test_ignored_changes_keep_the_old_value(stack):
    ok(stack.up(lambda: Entry("a", {"v": 1, "w": 1}) and None))
    opts = ResourceOptions(ignore_changes=["v"])
    assert ok(stack.up(lambda: Entry("a", {"v": 2, "w": 1}, opts) and None)).changes == {"same": 2}
    ok(stack.up(lambda: Entry("a", {"v": 2, "w": 2}, opts) and None))
    assert stack.ledger.real["a-1"] == {"v": 1, "w": 2}


def test_an_alias_keeps_the_resource_under_its_new_name(stack):
    ok(stack.up(lambda: Entry("old", {"v": 1}) and None))
    alias = ResourceOptions(aliases=[pulumi.Alias(name="old")])
    assert ok(stack.up(lambda: Entry("new", {"v": 1}, alias) and None)).changes == {"same": 2}
    assert sorted(stack.ledger.real) == ["old-1"]
    assert stack.entries()["old-1"]["urn"].endswith("::new")
    assert ok(stack.up(lambda: Entry("new", {"v": 1}) and None)).changes == {"same": 2}


def test_an_existing_thing_is_imported_by_option(stack):
    stack.ledger.real["there-7"] = {"v": 5}
    wanted = ResourceOptions(import_="there-7")
    assert ok(stack.up(lambda: Entry("there", {"v": 5}, wanted) and None)).changes == {
        "create": 1,
        "import": 1,
    }
    assert stack.ledger.count("Create") == 0
    assert ok(stack.up(lambda: Entry("there", {"v": 5}) and None)).changes == {"same": 2}


def test_a_forced_replacement_needs_no_change(stack):
    ok(stack.up(pair()))
    urn = stack.entries()["second-2"]["urn"]
    done = ok(stack.up(pair(), "--replace", urn))
    assert done.changes == {"replace": 1, "same": 2}
    assert sorted(stack.ledger.real) == ["first-1", "second-3"]


def test_functions_are_called_with_what_is_known(stack):
    def program():
        first = Entry("first", {"v": 1})
        echo = pulumi.runtime.invoke_output("ledger:index:echo", {"n": first.number})
        pulumi.export("echo", echo)

    ok(stack.preview(program))
    ok(stack.up(program))
    assert stack.json("stack", "output") == {"echo": {"echo": {"n": 1}}}


# ---- failures ----


def test_a_failed_create_stops_the_run_and_keeps_what_was_made(stack):
    stack.ledger.fail["Create", "second"] = "quota exceeded"
    failed = stack.up(pair())
    assert failed.code == 1
    assert any("quota exceeded" in text for text in failed.errors)
    assert "quota exceeded" in failed.stdout
    assert sorted(stack.entries()) == ["first-1"]
    assert stack.pending() == {}
    assert stack.locks() == []
    stack.ledger.fail.clear()
    assert ok(stack.up(pair())).changes == {"create": 1, "same": 2}
    assert sorted(stack.ledger.real) == ["first-1", "second-2"]


def test_a_program_that_raises_deletes_nothing(stack):
    ok(stack.up(pair()))

    def broken():
        raise ValueError("the program is wrong")

    failed = stack.up(broken)
    assert failed.code == 1
    assert any("the program is wrong" in text for text in failed.errors)
    assert sorted(stack.ledger.real) == ["first-1", "second-2"]
    assert stack.json("stack", "history")[0]["result"] == "failed"


def test_inputs_that_fail_their_check_are_named(stack):
    failed = stack.up(lambda: Entry("a", {"forbidden": True}) and None)
    assert failed.code == 1
    assert any("forbidden" in text and "is forbidden" in text for text in failed.errors)
    assert stack.ledger.real == {}


def test_two_resources_of_one_name_are_refused(stack):
    def program():
        Entry("twin", {"v": 1})
        Entry("twin", {"v": 2})

    failed = stack.up(program)
    assert failed.code == 1
    assert any("Duplicate resource URN" in text for text in failed.errors)


def test_a_plugin_that_cannot_be_found_is_named(stack):
    failed = stack.up(lambda: pulumi.CustomResource("nowhere:index:Thing", "x", {}) and None)
    assert failed.code == 1
    assert "pulumi-resource-nowhere" in failed.stdout


# ---- constraints ----


def test_expecting_no_changes_has_an_exit_status_of_its_own(stack):
    assert stack.preview(pair(), "--expect-no-changes").code == 7
    ok(stack.up(pair()))
    ok(stack.preview(pair(), "--expect-no-changes"))


def test_a_running_operation_keeps_others_out(stack):
    refusals = []
    stack.ledger.on["Create", "before"] = lambda _: refusals.append(
        stack.call("stack", "rm", "--yes", "--force", "dev")
    )
    ok(stack.up(lambda: Entry("a") and None))
    assert refusals[0].code == 1
    assert "the stack is currently locked by 1 lock(s)" in refusals[0].stderr


# ---- secrets ----


def test_secrets_are_masked_in_events_and_encrypted_in_files(stack):
    stack.must("config", "set", "token", "--secret", "--stack", "dev", "--", "hunter2")

    def program():
        token = pulumi.Config().require_secret("token")
        Entry("a", {"v": token, "w": pulumi.Output.secret("swordfish")})
        pulumi.log.warn("the token is hunter2")

    done = ok(stack.up(program))
    text = json.dumps(done.events) + done.stdout + done.stderr
    for word in ("hunter2", "swordfish"):
        assert word not in text
        for file in stack.backend.rglob("*"):
            assert not file.is_file() or word.encode() not in file.read_bytes(), file
    assert stack.ledger.real["a-1"]["w"]["value"] == "swordfish"


def test_a_wrong_passphrase_changes_nothing(stack):
    ok(stack.up(pair()))
    before = stack.state_file.read_bytes()
    refused = stack.up(pair(2), env={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert refused.code == 1
    assert refused.stderr.endswith("incorrect passphrase\n")
    assert stack.state_file.read_bytes() == before


def test_a_lost_stack_file_is_written_again_with_the_salt_of_the_state(stack):
    ok(stack.up(pair()))
    (stack.work / "Pulumi.dev.yaml").unlink()
    ok(stack.up(pair()))
    salt = stack.latest["secrets_providers"]["state"]["salt"]
    assert salt in (stack.work / "Pulumi.dev.yaml").read_text()


# ---- records ----


def test_every_run_leaves_history_and_a_backup(stack):
    stack.must("config", "set", "size", "3", "--stack", "dev")
    ok(stack.up(pair(), "--message", "first run"))
    ok(stack.destroy())
    newest, oldest = stack.json("stack", "history")
    assert (newest["kind"], newest["result"]) == ("destroy", "succeeded")
    assert (oldest["kind"], oldest["message"]) == ("update", "first run")
    assert oldest["config"] == {"lab:size": {"value": "3", "secret": False}}
    assert oldest["resourceChanges"] == {"create": 3}
    assert len(list((stack.backend / ".pulumi/backups").rglob("*.json"))) == 2


def test_the_event_stream_begins_and_ends_as_promised(stack):
    done = ok(stack.up(pair()))
    kinds = [next(k for k in e if k not in ("sequence", "timestamp")) for e in done.events]
    assert kinds[0] == "preludeEvent"
    assert kinds[-1] == "cancelEvent"
    assert kinds.count("summaryEvent") == 1
    sequences = [e["sequence"] for e in done.events]
    assert sequences == sorted(set(sequences))


def test_urns_name_stack_project_type_and_name(stack):
    ok(stack.up(pair()))
    assert (
        stack.entries()["first-1"]["urn"] == f"urn:pulumi:dev::{PROJECT}::ledger:index:Entry::first"
    )


# ---- two engines on one backend ----


@pytest.mark.cli
@pytest.mark.parametrize("first_is_ours", [True, False])
def test_a_stack_made_by_one_engine_is_unchanged_for_the_other(ours, first_is_ours):
    other = cli_root()
    if other is None:
        pytest.skip("no Pulumi CLI on PATH or in PULUMI_ROOT to share a backend with")
    engines = [ours.engine, other / "bin" / "pulumi"]
    first, second = engines if first_is_ours else reversed(engines)
    ours.engine = first
    ours.init()
    ok(ours.up(pair()))
    ours.engine = second
    assert ok(ours.preview(pair())).changes == {"same": 3}
    assert ok(ours.up(pair(2))).changes == {"update": 1, "same": 2}
    ours.engine = first
    assert ok(ours.refresh()).changes == {"same": 3}
    ok(ours.destroy())
    assert ours.ledger.real == {}
