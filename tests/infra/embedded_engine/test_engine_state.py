"""The state's records: round trips, integrity, renaming; the journal that continues a state."""

import copy
import dataclasses
import json
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.embedded_engine import state
from infra.embedded_engine.backend import Backend, StackRef
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.journal import Journal, fold, read_folded

REF = StackRef("shop", "dev")
names = st.text("abcdefg", min_size=1, max_size=4)
texts = st.text(min_size=1, max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def urn(name, type_="t:i:T", stack="dev"):
    return f"urn:pulumi:{stack}::shop::{type_}::{name}"


raw_resources = st.fixed_dictionaries(
    {"urn": names.map(urn), "custom": st.booleans(), "type": st.just("t:i:T")},
    optional={
        "id": texts,
        "inputs": st.dictionaries(names, json_values, min_size=1, max_size=3),
        "outputs": st.dictionaries(names, json_values, min_size=1, max_size=3),
        "parent": names.map(urn),
        "delete": st.just(True),
        "protect": st.just(True),
        "external": st.just(True),
        "pendingReplacement": st.just(True),
        "retainOnDelete": st.just(True),
        "dependencies": st.lists(names.map(urn), min_size=1, max_size=3),
        "propertyDependencies": st.dictionaries(
            names, st.lists(names.map(urn), max_size=2), min_size=1, max_size=3
        ),
        "provider": names.map(lambda n: urn(n, "pulumi:providers:t") + "::some-id"),
        "customTimeouts": st.just({"create": 300}),
        "aliases": st.lists(names.map(urn), min_size=1, max_size=2),
        "importID": texts,
        "deletedWith": names.map(urn),
        "replaceWith": st.lists(names.map(urn), min_size=1, max_size=2),
        "initErrors": st.lists(texts, min_size=1, max_size=2),
        "replacementTrigger": st.booleans() | texts,
        "resourceHooks": st.just({"beforeCreate": ["h"]}),
        "created": st.just("2026-01-02T03:04:05Z"),
        "somethingNewer": json_values,
    },
)


@settings(max_examples=80)
@given(raw_resources)
def test_an_entry_of_the_file_survives_the_way_through_a_record(raw):
    assert state.encode_resource(state.decode_resource(raw)) == raw


@given(names, names, names, st.text("ab:$", max_size=5))
def test_a_urn_comes_apart_as_it_was_made(stack, project, type_, name):
    parent = state.make_urn(stack, project, "", "p:i:Parent", "up")
    made = state.make_urn(stack, project, parent, type_, name)
    assert state.split_urn(made) == (stack, project, f"p:i:Parent${type_}", name)
    assert (state.urn_type(made), state.urn_name(made)) == (type_, name)


def test_the_root_stack_gives_its_children_no_prefix():
    root = state.make_urn("dev", "shop", "", state.ROOT_TYPE, "shop-dev")
    assert state.make_urn("dev", "shop", root, "t:i:T", "a") == urn("a")


def record(name, **fields):
    return state.Resource(urn=urn(name), type="t:i:T", custom=True, id=name, **fields)


def snapshot(*resources):
    return state.Snapshot(resources=list(resources))


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (record("b", parent=urn("gone")), "refers to missing parent"),
        (record("b", parent=urn("late")), "comes after it"),
        (record("b", dependencies=[urn("gone")]), "dependency refers to missing resource"),
        (record("b", property_dependencies={"x": [urn("gone")]}), "missing resource"),
        (record("b", deleted_with=urn("gone")), "deletedWith refers to missing"),
        (record("b", provider=f"{urn('p', 'pulumi:providers:t')}::1"), "unknown provider"),
        (record("a"), "duplicate resource"),
        (dataclasses.replace(record("b"), custom=False), "is a component"),
    ],
)
def test_integrity_names_what_is_wrong(resource, text):
    with pytest.raises(EngineError, match=text):
        state.verify(snapshot(record("a"), resource, record("late")))


def test_several_entries_of_one_urn_are_whole_when_the_others_wait_for_deletion():
    old = record("a", delete=True)
    state.verify(snapshot(old, record("a"), record("b", dependencies=[urn("a")])))


def test_a_manifest_that_was_tampered_with_is_refused():
    latest = state.encode_latest(snapshot(record("a")))
    latest["manifest"]["magic"] = "0" * 64
    with pytest.raises(EngineError, match="magic cookie"):
        state.verify(state.decode_latest(latest))


@pytest.mark.parametrize(
    "entry",
    [
        {"urn": urn("a")},
        {"type": "t"},
        {},
        {"urn": urn("a"), "type": "t", "propertyDependencies": []},
    ],
)
def test_a_malformed_entry_is_refused_with_a_text(entry):
    with pytest.raises(EngineError, match="refusing to use it"):
        state.decode_latest({"resources": [entry]})


def test_versions_and_features_decide_whether_a_state_is_read():
    latest = state.encode_latest(snapshot(record("a", resource_hooks={"beforeCreate": ["x"]})))
    document = state.checkpoint_document(latest, REF.qualified)
    assert (document["version"], document["features"]) == (4, ["hooks"])
    assert state.decode_checkpoint(document, "dev").resources[0].id == "a"
    with pytest.raises(EngineError, match="views"):
        state.check_version({**document, "features": ["hooks", "views"]}, "dev")
    with pytest.raises(EngineError, match="newer than"):
        state.check_version({"version": 5}, "dev")


@settings(max_examples=40)
@given(st.lists(raw_resources, max_size=4))
def test_renaming_there_and_back_changes_nothing(raws):
    latest = {
        "resources": raws,
        "pending_operations": [{"resource": r, "type": "creating"} for r in raws],
    }
    before = state.decode_latest(latest)
    there = state.rename_stack(before, "shop", "dev", "live")
    assert "urn:pulumi:dev" not in json.dumps(state.encode_latest(there))
    assert state.rename_stack(there, "shop", "live", "dev") == before


def test_renaming_takes_the_root_resource_along():
    root = state.Resource(urn=urn("shop-dev", state.ROOT_TYPE), type=state.ROOT_TYPE)
    renamed = state.rename_stack(snapshot(root), "shop", "dev", "live")
    assert state.urn_name(renamed.resources[0].urn) == "shop-live"


# ---- the journal ----


@pytest.fixture
def backend(tmp_path):
    return two_entries(tmp_path)


def two_entries(folder):
    backend = Backend(f"file://{folder}")
    latest = state.encode_latest(snapshot(record("a"), record("b")))
    backend.write_state(REF, state.checkpoint_document(latest, REF.qualified))
    return backend


def ids(document):
    return [r["id"] for r in document["checkpoint"]["latest"].get("resources", [])]


def entry(name):
    return state.encode_resource(record(name))


def test_an_unfolded_journal_continues_the_checkpoint(backend):
    journal = Journal(backend, REF)
    creating = {"resource": entry("c"), "type": "creating"}
    journal.append({"pending_operations": {3: creating}})
    journal.append({"resources": {2: entry("c")}, "pending_operations": {3: None}})
    journal.append({"resources": {0: None}})
    deleting = {"resource": entry("b"), "type": "deleting"}
    journal.append({"pending_operations": {4: deleting}})
    folded = read_folded(backend, REF)
    assert ids(folded) == ["b", "c"]
    pending = folded["checkpoint"]["latest"]["pending_operations"]
    assert [o["type"] for o in pending] == ["deleting"]
    assert ids(backend.read_state(REF)) == ["a", "b"]
    assert Journal(backend, REF).recover()
    assert ids(backend.read_state(REF)) == ["b", "c"]
    assert not Journal(backend, REF).recover()


def test_a_line_cut_short_by_a_kill_is_left_out(backend):
    journal = Journal(backend, REF)
    journal.append({"resources": {2: entry("c")}})
    journal.append({"resources": {3: entry("d")}})
    file = next(backend.root.rglob("*.journal"))
    whole = file.read_bytes()
    seen = set()
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        seen.add(tuple(ids(read_folded(backend, REF))))
    assert seen == {("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")}


def went_on(backend):
    """Another engine wrote the state while the journal was unfolded."""
    document = backend.read_state(REF)
    document["checkpoint"]["latest"]["resources"].pop()
    backend.write_state(REF, document)


def test_a_journal_of_an_older_checkpoint_is_kept_aside_with_a_warning(backend, capsys):
    Journal(backend, REF).append({"resources": {2: entry("c")}})
    went_on(backend)
    assert ids(read_folded(backend, REF)) == ["a"]
    assert not Journal(backend, REF).recover()
    assert "another engine went on" in capsys.readouterr().err
    (stale,) = backend.root.rglob("*.stale")
    assert b'"id":"c"' in stale.read_bytes()
    assert list(backend.root.rglob("*.journal")) == []


def test_a_journal_that_was_folded_goes_without_a_word(backend, capsys):
    journal = Journal(backend, REF)
    journal.append({"resources": {2: entry("c")}})
    journal.folding()
    went_on(backend)
    assert not Journal(backend, REF).recover()
    assert capsys.readouterr().err == ""
    assert list(backend.root.rglob("*.stale")) == []


def test_a_journal_damaged_in_its_middle_is_refused(backend):
    journal = Journal(backend, REF)
    journal.append({"resources": {2: entry("c")}})
    file = next(backend.root.rglob("*.journal"))
    file.write_bytes(file.read_bytes() + b"{nonsense\n{}\n")
    with pytest.raises(EngineError, match=r"journal .* is damaged"):
        read_folded(backend, REF)


def everything(backend):
    """Path → content of every file."""
    return {path: path.read_bytes() for path in backend.root.rglob("*") if path.is_file()}


def recovers_or_refuses(backend):
    """Folds into a state that can be read, or says where the damage is and changes nothing."""
    before, refusal = everything(backend), ""
    try:
        Journal(backend, REF).recover()
    except EngineError as error:
        refusal = error.text
    if refusal:
        assert "damaged" in refusal or "integrity" in refusal
        assert everything(backend) == before
    else:
        state.decode_checkpoint(backend.read_state(REF), REF.name)
        assert list(backend.root.rglob("*.journal")) == []


lines = json_values | st.fixed_dictionaries(
    {},
    optional={
        "resources": json_values | st.dictionaries(st.sampled_from("012x"), json_values),
        "pending_operations": json_values | st.dictionaries(st.sampled_from("01"), json_values),
    },
)


@given(lines)
def test_a_line_of_any_form_is_folded_or_refused_and_changes_nothing(line):
    with tempfile.TemporaryDirectory() as folder:
        backend = two_entries(folder)
        Journal(backend, REF).append({"resources": {2: entry("c")}})
        file = next(backend.root.rglob("*.journal"))
        file.write_bytes(file.read_bytes() + json.dumps(line).encode() + b"\n")
        recovers_or_refuses(backend)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_byte_that_flipped_is_folded_or_refused_and_changes_nothing(place, bits):
    with tempfile.TemporaryDirectory() as folder:
        backend = two_entries(folder)
        journal = Journal(backend, REF)
        journal.append({"pending_operations": {3: {"resource": entry("c"), "type": "creating"}}})
        journal.append({"resources": {2: entry("c")}, "pending_operations": {3: None}})
        file = next(backend.root.rglob("*.journal"))
        data = bytearray(file.read_bytes())
        data[place % len(data)] ^= bits
        file.write_bytes(data)
        recovers_or_refuses(backend)


def test_a_history_entry_that_is_damaged_is_named(backend):
    backend.write(f"{REF.history}/dev-1.history.json", b"[]")
    with pytest.raises(EngineError, match=r"dev-1\.history\.json is damaged"):
        backend.history(REF)


def test_folding_leaves_the_given_document_alone(backend):
    document = backend.read_state(REF)
    copy = json.loads(json.dumps(document))
    fold(document, [{"resources": {"0": None, "1": entry("z")}}])
    assert document == copy


WHOLE = {
    "manifest": {"time": "2026-01-02T03:04:05Z", "magic": "", "version": ""},
    "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:a:b"}},
    "resources": [
        {
            "urn": urn("a"),
            "type": "t:i:T",
            "custom": True,
            "inputs": {"v": 1},
            "propertyDependencies": {"v": [urn("b")]},
            "dependencies": [urn("b")],
            "customTimeouts": {"create": 5},
        }
    ],
    "pending_operations": [{"resource": {"urn": urn("b"), "type": "t:i:T"}, "type": "creating"}],
}


def places(value, at=()):
    """The ways to all parts of a JSON value, itself included."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, part in inner:
        yield from places(part, (*at, key))


@pytest.mark.parametrize("wrong", [5, "text", ["text"], {"key": 1}, True])
def test_a_part_of_another_form_is_refused_or_harmless(wrong):
    refused = 0
    for place in list(places(WHOLE))[1:]:
        damaged = part = copy.deepcopy(WHOLE)
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = wrong
        try:
            snapshot = state.decode_latest(damaged)
        except EngineError as error:
            refused += error.text.startswith(state.INTEGRITY_PREFIX)
        else:
            list(state.integrity_errors(snapshot.resources))
            state.encode_latest(snapshot)
    assert refused > 10
