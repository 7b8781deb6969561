"""Variations: options and failures in each other's company, as programs come to have them."""

import json

import pulumi
import pytest

from tests.infra.embedded_engine.engine_lab import ENGINE, Entry, ok

pytestmark = [*ENGINE, pytest.mark.slow]
Options = pulumi.ResourceOptions


@pytest.fixture
def stack(lab):
    return lab.init()


def calls(stack, *methods):
    return [(method, name) for method, name, _ in stack.ledger.calls if method in methods]


def names(stack):
    return sorted(r["urn"].rsplit("::", 1)[-1] for r in stack.entries().values())


def references(stack):
    """All URNs that entries of the state depend on."""
    entries = stack.entries().values()
    return {urn.rsplit("::", 1)[-1] for r in entries for urn in r.get("dependencies", [])}


def test_a_renamed_resource_can_be_replaced_in_the_same_run(stack):
    def program(name, fixed, *aliases):
        def run():
            first = Entry(name, {"fixed": fixed}, Options(aliases=list(aliases)))
            Entry("user", {"of": first.number})

        return run

    ok(stack.up(program("old", "x")))
    moved = ok(stack.up(program("new", "y", pulumi.Alias(name="old"))))
    assert moved.changes == {"replace": 1, "update": 1, "same": 1}
    assert (names(stack), references(stack)) == (["new", "user"], {"new"})
    assert sorted(stack.ledger.real) == ["new-3", "user-2"]
    assert ok(stack.up(program("new", "y"))).changes == {"same": 3}


def test_children_follow_a_component_that_was_renamed(stack):
    class Group(pulumi.ComponentResource):
        def __init__(self, name, aliases=()):
            super().__init__("lab:index:Group", name, None, Options(aliases=list(aliases)))
            Entry(f"{name}-child", {"v": 1}, Options(parent=self))
            self.register_outputs({})

    ok(stack.up(lambda: Group("old") and None))
    moved = ok(stack.up(lambda: Group("new", [pulumi.Alias(name="old")]) and None))
    assert moved.changes == {"same": 3}
    assert "old" not in json.dumps(stack.latest["resources"]).replace("old-child-1", "")
    assert sorted(stack.ledger.real) == ["old-child-1"]


def test_what_is_deleted_first_takes_the_whole_chain_with_it(stack):
    def program(fixed):
        def run():
            first = Entry("a", {"fixed": fixed, "alone": True})
            second = Entry("b", {"fixed_of": first.number})
            Entry("c", {"fixed_of": second.number})
            Entry("d", {"of": first.number})

        return run

    ok(stack.up(program("x")))
    stack.ledger.calls.clear()
    done = ok(stack.up(program("y")))
    assert done.changes == {"replace": 3, "update": 1, "same": 1}
    made = calls(stack, "Create", "Delete")
    assert made[:4] == [("Delete", "c"), ("Delete", "b"), ("Delete", "a"), ("Create", "a")]
    assert sorted(made[4:]) == [("Create", "b"), ("Create", "c")]
    assert names(stack) == ["a", "b", "c", "d"]
    assert ok(stack.up(program("y"))).changes == {"same": 5}


def test_a_chain_is_left_alone_when_one_of_it_is_protected(stack):
    def program(fixed):
        def run():
            first = Entry("a", {"fixed": fixed, "alone": True})
            Entry("b", {"fixed_of": first.number}, Options(protect=True))

        return run

    ok(stack.up(program("x")))
    stack.ledger.calls.clear()
    for refused in (stack.preview(program("y")), stack.up(program("y"))):
        assert refused.code == 1
        assert any("as part of replacing" in text for text in refused.errors)
    assert calls(stack, "Create", "Delete") == []
    assert stack.pending() == {}


def test_a_protected_resource_is_not_replaced(stack):
    def program(fixed, protect):
        return lambda: Entry("a", {"fixed": fixed}, Options(protect=protect)) and None

    ok(stack.up(program("x", protect=True)))
    for refused in (stack.preview(program("y", True)), stack.up(program("y", True))):
        assert refused.code == 1
        assert any('unable to replace resource "' in text for text in refused.errors)
    assert sorted(stack.ledger.real) == ["a-1"]
    assert ok(stack.up(program("y", protect=False))).changes == {"replace": 1, "same": 1}
    assert sorted(stack.ledger.real) == ["a-2"]


def test_changes_are_ignored_by_path(stack):
    def program(n, ignore):
        props = {"v": {"in": n, "out": n}, "list": [n, n], "tags": {"k": n}}
        return lambda: Entry("a", props, Options(ignore_changes=ignore)) and None

    ok(stack.up(program("1", [])))
    ok(stack.up(program("2", ["v.in", "list[0]", "tags"])))
    inputs = stack.entries()["a-1"]["inputs"]
    assert inputs == {"v": {"in": "1", "out": "2"}, "list": ["1", "2"], "tags": {"k": "1"}}
    everything = ["v.*", "list[*]", "tags"]
    assert ok(stack.up(program("3", everything))).changes == {"same": 2}
    told = ok(stack.up(program("4", [*everything, "list[7]", "v.gone.deeper"])))
    assert told.changes == {"same": 2}


def test_a_path_with_only_one_side_is_told(stack):
    ok(stack.up(lambda: Entry("a", {"v": {"x": 1}}) and None))
    wanted = Options(ignore_changes=["v.x"])
    told = ok(stack.up(lambda: Entry("a", {"v": "text"}, wanted) and None))
    said = [e["diagnosticEvent"]["message"] for e in told.events if "diagnosticEvent" in e]
    assert any("cannot ignore changes in added or removed" in text for text in said)
    assert stack.entries()["a-1"]["inputs"]["v"] == "text"


def test_a_secret_inside_of_structured_configuration_stays_one(stack):
    def program():
        held = pulumi.Config().require_secret_object("obj")
        Entry("a", {"v": held})
        pulumi.export("held", held)

    stack.must("config", "set", "--path", "obj.plain[0]", "open", "--stack", "dev")
    stack.must(
        "config", "set", "--path", "obj.inner.key", "--secret", "hush-hush", "--stack", "dev"
    )
    done = ok(stack.up(program))
    preludes = [e["preludeEvent"]["config"] for e in done.events if "preludeEvent" in e]
    assert preludes == [{"lab:obj": '{"inner":{"key":"[secret]"},"plain":["open"]}'}]
    assert "hush-hush" not in json.dumps(done.events) + done.stdout + done.stderr
    assert "hush-hush" not in stack.state_file.read_text()
    assert stack.json("stack", "output") == {"held": "[secret]"}
    shown = stack.json("stack", "output", "--show-secrets")
    assert shown == {"held": {"inner": {"key": "hush-hush"}, "plain": ["open"]}}
    assert stack.json("config", "get", "--path", "obj.inner.key")["value"] == "hush-hush"
    assert ok(stack.up(program)).changes == {"same": 2}


def test_a_resource_that_vanished_leaves_a_whole_state(stack):
    def program():
        first = Entry("a", {"v": 1})
        Entry("b", {"of": first.number}, Options(depends_on=[first]))

    ok(stack.up(program))
    del stack.ledger.real["a-1"]
    looked = ok(stack.refresh())
    assert looked.changes == {"delete": 1, "same": 2}
    assert (names(stack), references(stack)) == (["b"], set())
    again = ok(stack.up(program))
    assert again.changes == {"create": 1, "update": 1, "same": 1}
    assert references(stack) == {"a"}


def test_expecting_no_changes_counts_drift_and_nothing_else(stack):
    def program():
        Entry("a", {"v": 1})

    ok(stack.up(program))
    ok(stack.refresh("--preview-only", "--expect-no-changes"))
    stack.ledger.real["a-1"]["v"] = 2
    before = stack.state_file.read_bytes()
    found = stack.refresh("--preview-only", "--expect-no-changes")
    assert (found.code, stack.state_file.read_bytes()) == (7, before)
    assert "no changes were expected for refresh" in found.stderr
    assert stack.refresh("--expect-no-changes").code == 7
    assert stack.entries()["a-1"]["inputs"]["v"] == 2
    assert stack.up(program, "--expect-no-changes").code == 7
    ok(stack.up(program, "--expect-no-changes"))


def test_a_violation_tells_no_secret(stack):
    def program(word, extra=False):
        def run():
            Entry("a", {"v": pulumi.Output.secret(word)})
            if extra:
                Entry("b", {"v": 1})

        return run

    ok(stack.up(program("first-word")))
    plan = str(stack.work / "plan.json")
    ok(stack.preview(program("first-word"), "--save-plan", plan))
    for other in (program("second-word"), program("first-word", extra=True)):
        refused = stack.up(other, "--plan", plan)
        assert refused.code == 1
        assert any("plan" in text for text in refused.errors)
        assert "word" not in json.dumps(refused.events) + refused.stdout + refused.stderr
    assert sorted(stack.ledger.real) == ["a-1"]


def test_a_plan_that_expects_a_resource_misses_it(stack):
    def program(last=True):
        def run():
            Entry("a", {"v": 1})
            if last:
                Entry("b", {"v": 1})

        return run

    plan = str(stack.work / "plan.json")
    ok(stack.preview(program(), "--save-plan", plan))
    missed = stack.up(program(last=False), "--plan", plan)
    assert missed.code == 1
    assert any("but none were seen" in text for text in missed.errors)
    assert sorted(stack.ledger.real) == ["a-1"]


@pytest.mark.parametrize(
    "command",
    [
        ("refresh", "--skip-preview", "--yes"),
        ("stack", "export", "--show-secrets"),
        ("stack", "output", "--show-secrets"),
        ("config", "get", "key"),
    ],
    ids=" ".join,
)
def test_a_wrong_passphrase_opens_nothing(stack, command):
    stack.must("config", "set", "key", "--secret", "hush-hush", "--stack", "dev")
    ok(stack.up(lambda: pulumi.export("x", pulumi.Output.secret("hush-hush"))))
    before = stack.state_file.read_bytes()
    refused = stack.call(*command, "--stack", "dev", env={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert refused.code != 0
    assert "incorrect passphrase" in refused.stderr
    assert "hush" not in refused.stdout + refused.stderr
    assert (stack.state_file.read_bytes(), stack.locks()) == (before, [])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "{}", '{"version": 3}', '{"version": 3, "deployment": {"resources": [5]}}',
     '{"version": 3, "deployment": {"resources": [{"urn": "x", "type": "t"}]}}'],
)  # fmt: skip
def test_a_damaged_document_is_not_imported(stack, text):
    ok(stack.up(lambda: Entry("a", {"v": 1}) and None))
    before = stack.state_file.read_bytes()
    (stack.work / "document.json").write_text(text)
    refused = stack.call("stack", "import", "--file", "document.json", "--stack", "dev")
    assert (refused.code, stack.state_file.read_bytes()) == (1, before)
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr


def test_options_that_ask_for_a_replacement_are_heard(stack):
    def program(value, *, lead):
        def run():
            first = Entry("first", {"fixed": lead})
            Entry("on", {"v": {"deep": value}}, Options(replace_on_changes=["v"]))
            Entry("with", {"v": 1}, Options(replace_with=[first]))
            Entry("under", {"v": 1}, Options(deleted_with=first))

        return run

    ok(stack.up(program(1, lead="x")))
    assert ok(stack.up(program(2, lead="x"))).changes == {"replace": 1, "same": 4}
    assert ok(stack.up(program(2, lead="y"))).changes == {"replace": 3, "same": 2}
    assert names(stack) == ["first", "on", "under", "with"]


def test_what_was_only_read_is_let_go_without_a_call(stack):
    def program(id_=None):
        return lambda: (Entry("found", None, Options(id=id_)) if id_ else None) and None

    stack.ledger.real["there-7"] = {"v": 1}
    ok(stack.up(program("there-7")))
    (entry,) = stack.entries().values()
    assert (entry["external"], entry["outputs"]["number"]) == (True, 7)
    missing = stack.up(program("gone-8"))
    assert any("resource 'gone-8' does not exist" in text for text in missing.errors)
    ok(stack.up(program()))
    assert (calls(stack, "Delete"), stack.entries()) == ([], {})


def test_protection_and_retention_come_from_the_parent(stack):
    class Group(pulumi.ComponentResource):
        def __init__(self, name, opts):
            super().__init__("lab:index:Group", name, None, opts)
            Entry("child", {"v": 1}, Options(parent=self))
            Entry("own", {"v": 1}, Options(parent=self, protect=False))

    ok(stack.up(lambda: Group("g", Options(protect=True)) and None))
    kept = {r["urn"].rsplit("::", 1)[-1]: r.get("protect", False) for r in stack.entries().values()}
    assert kept == {"child": True, "own": False}
    refused = stack.destroy()
    assert refused.code == 1
    assert any("cannot be deleted" in text for text in refused.errors)
    ok(stack.up(lambda: Group("g", Options(retain_on_delete=True)) and None))
    ok(stack.destroy())
    assert len(stack.ledger.real) == 2 or "own-2" not in stack.ledger.real


def test_an_update_that_fails_is_tried_again(stack):
    def program(value):
        def run():
            first = Entry("a", {"v": value})
            Entry("b", {"of": first.number, "v": value})

        return run

    ok(stack.up(program(1)))
    stack.ledger.fail = {("Update", "a"): "not now"}
    failed = stack.up(program(2))
    assert failed.code == 1
    assert any("not now" in text for text in failed.errors)
    assert stack.entries()["a-1"]["inputs"]["v"] == 1
    stack.ledger.fail = {}
    assert ok(stack.up(program(2))).changes == {"update": 2, "same": 1}
