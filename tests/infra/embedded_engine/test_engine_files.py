"""Backend and workspace files: atomic writes, locks, names, YAML as the CLI reads it."""

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.embedded_engine.backend import Backend, StackRef
from infra.embedded_engine.errors import EngineError, RefusedError
from infra.embedded_engine.workspace import StackSettings, Workspace, find_project

REF = StackRef("shop", "dev")


@pytest.fixture
def backend(tmp_path):
    return Backend(f"file://{tmp_path}")


def test_every_object_has_a_side_file_with_its_digest(backend):
    backend.write("stacks/shop/dev.json", b"{}")
    attrs = json.loads((backend.root / "stacks/shop/dev.json.attrs").read_text())
    assert attrs["md5"] == base64.b64encode(hashlib.md5(b"{}").digest()).decode()
    assert backend.names("stacks/shop") == ["dev.json"]


def test_no_side_files_when_the_address_says_so(tmp_path):
    backend = Backend(f"file://{tmp_path}?metadata=skip")
    backend.write("a", b"x")
    assert [p.name for p in backend.root.iterdir()] == ["a"]


def test_the_state_before_becomes_the_backup(backend):
    backend.write_state(REF, {"checkpoint": {"n": 1}})
    backend.write_state(REF, {"checkpoint": {"n": 2}})
    assert json.loads(backend.read("stacks/shop/dev.json.bak")) == {"checkpoint": {"n": 1}}


@pytest.mark.parametrize("content", [b"", b'{"version":3,"check', b"[]", b"{}", b"\xff\xfe"])
def test_a_damaged_state_is_named_with_its_backup(backend, content):
    backend.write("stacks/shop/dev.json", content)
    with pytest.raises(EngineError, match=r"dev\.json\.bak"):
        backend.read_state(REF)


def test_one_lock_keeps_another_process_out_and_is_gone_afterwards(backend, tmp_path):
    other = Backend(f"file://{tmp_path}")
    with backend.locked(REF), pytest.raises(EngineError, match="by 1 lock"), other.locked(REF):
        raise AssertionError
    with Backend(f"file://{tmp_path}").locked(REF):
        pass
    assert backend.unlock(REF) == 0


def test_an_unreadable_lock_still_counts(backend):
    backend.write(f"locks/{REF.qualified}/x.json", b"nonsense")
    with pytest.raises(EngineError, match="cannot be read"), backend.locked(REF):
        pass
    assert backend.unlock(REF) == 1


@pytest.mark.parametrize("url", ["s3://bucket", "https://api.pulumi.com", "nonsense"])
def test_other_backends_are_refused_by_name(url):
    with pytest.raises(RefusedError, match="install the Pulumi CLI"):
        Backend(url)


def test_the_legacy_layout_is_refused(backend):
    backend.write("stacks/dev.json", b"{}")
    with pytest.raises(RefusedError, match="legacy stack layout"):
        backend.ensure_meta()


@pytest.mark.parametrize("name", ["", "a/b", "x" * 101, "spa ce", "..\n"])
def test_names_that_could_leave_their_folder_are_refused(name):
    with pytest.raises(EngineError):
        StackRef("shop", name)


def test_history_is_newest_first_and_comes_in_pages(backend):
    backend.write_state(REF, {"checkpoint": {}})
    for number in range(5):
        backend.add_history(REF, {"number": number})
    assert [e["number"] for e in backend.history(REF)] == [4, 3, 2, 1, 0]
    assert [e["number"] for e in backend.history(REF, 2, 2)] == [2, 1]
    assert backend.history(REF, 9, 2) == []


def test_tags_go_with_the_last_one(backend):
    backend.write_tags(REF, {"owner": "team"})
    assert backend.read_tags(REF) == {"owner": "team"}
    backend.write_tags(REF, {})
    assert backend.names("stacks/shop") == []


# ---- the workspace ----

scalars = st.text(max_size=12) | st.booleans() | st.integers(-(10**12), 10**12) | st.none()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(config=st.dictionaries(st.from_regex(r"[a-z]+:[a-z]+", fullmatch=True), values, max_size=4))
def test_configuration_survives_the_stack_file(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("settings") / "Pulumi.dev.yaml"
    written = StackSettings(path)
    written.set_config(config)
    written.save()
    assert StackSettings(path).config == config


@pytest.mark.parametrize(
    "text",
    ["yes", "no", "on", "12:30", "2026-01-02", "0o17", "1_000", "~", "true", "1e3", "=", "<<"],
)
def test_texts_that_look_like_something_else_stay_texts(tmp_path, text):
    path = tmp_path / "Pulumi.dev.yaml"
    written = StackSettings(path)
    written.set_config({"a:b": text})
    written.save()
    assert StackSettings(path).config == {"a:b": text}


def test_scalars_are_read_as_the_cli_reads_them(tmp_path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(
        "config:\n  a:yes: yes\n  a:time: 12:30\n  a:date: 2026-01-02\n  a:n: 5\n  a:t: true\n"
    )
    assert StackSettings(path).config == {
        "a:yes": "yes", "a:time": "12:30", "a:date": "2026-01-02", "a:n": 5, "a:t": True,
    }  # fmt: skip


def test_unknown_keys_and_the_order_of_keys_survive(tmp_path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(
        "zeta: 1\nencryptionsalt: v1:x\nenvironment: [a]\nconfig:\n  a:b: c\nalpha: 2\n"
    )
    settings_ = StackSettings(path)
    settings_.set_config({"a:b": "d"})
    settings_.save()
    assert list(StackSettings(path).document) == [
        "zeta",
        "encryptionsalt",
        "environment",
        "config",
        "alpha",
    ]


@pytest.mark.parametrize("text", ["config: [1]\n", "- a\n", "a: [\n", "\x00"])
def test_a_damaged_stack_file_is_named(tmp_path, text):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text)
    with pytest.raises(EngineError, match=r"Pulumi\.dev\.yaml"):
        StackSettings(path)


def test_the_project_is_searched_upwards(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime:\n  name: python\nmain: src\n")
    project = find_project(inner)
    assert (project.name, project.runtime) == ("shop", "python")
    assert project.program_folder == tmp_path / "src"


def test_selection_is_kept_for_each_backend(tmp_path, monkeypatch):
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    home = {"PULUMI_HOME": str(tmp_path / "home")}
    one = Workspace({**home, "PULUMI_BACKEND_URL": "file:///one"})
    two = Workspace({**home, "PULUMI_BACKEND_URL": "file:///two"})
    one.select(REF)
    assert (one.selected(), two.selected()) == ("organization/shop/dev", None)
    assert one.ref().name == "dev"
    with pytest.raises(EngineError, match="no stack selected"):
        two.ref()
