"""Damaged files and full disks: a refusal that names the file, and the old state intact."""

import json

import pytest

from tests.infra.embedded_engine.engine_lab import ENGINE, Entry

pytestmark = ENGINE


def program(value=1, size=0):
    return lambda: Entry("a", {"v": value, "long": "x" * size}) and None


@pytest.fixture
def stack(ours):
    ours.init()
    assert ours.up(program()).code == 0
    return ours


def refused(outcome, *words):
    assert outcome.code == 1, outcome.stdout + outcome.stderr
    assert outcome.stderr.startswith("error: ")
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_state_cut_short_is_refused_and_left_alone(stack, cut):
    damaged = stack.state_file.read_bytes()[:cut]
    stack.state_file.write_bytes(damaged)
    for outcome in (stack.up(program(2)), stack.destroy(), stack.preview(program(2))):
        refused(outcome, "dev.json.bak")
    assert stack.state_file.read_bytes() == damaged
    assert stack.locks() == []
    assert stack.ledger.real["a-1"]["v"] == 1


def test_a_state_with_a_broken_reference_is_refused(stack):
    document = json.loads(stack.state_file.read_text())
    document["checkpoint"]["latest"]["resources"].pop(0)
    stack.state_file.write_text(json.dumps(document))
    refused(stack.up(program(2)), "snapshot integrity failure")
    assert stack.ledger.real["a-1"]["v"] == 1


def test_a_state_whose_parts_have_another_form_is_refused_and_left_alone(stack):
    document = json.loads(stack.state_file.read_text())
    document["checkpoint"]["latest"]["resources"] = 5
    stack.state_file.write_text(json.dumps(document))
    before = stack.state_file.read_bytes()
    refused(stack.up(program(2)), "integrity failure")
    refused(stack.call("stack", "export", "--stack", "dev"), "integrity failure")
    assert stack.state_file.read_bytes() == before


def test_secrets_of_another_key_are_refused_by_name(stack):
    sealed = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    document = json.loads(stack.state_file.read_text())
    entry = document["checkpoint"]["latest"]["resources"][-1]
    entry["inputs"]["v"] = {**sealed, "ciphertext": "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAA"}
    stack.state_file.write_text(json.dumps(document))
    refused(stack.up(program(2)), "decrypt")


@pytest.mark.parametrize(
    "text",
    ["config: [", "- list\n", "encryptionsalt: nonsense\n", "encryptionsalt: 5\n", "config: 5\n"],
)
def test_a_damaged_stack_file_is_refused(stack, text):
    (stack.work / "Pulumi.dev.yaml").write_text(text)
    before = stack.state_file.read_bytes()
    refused(stack.up(program(2)))
    assert stack.state_file.read_bytes() == before


def test_a_full_disk_ends_the_run_and_keeps_a_whole_state(stack):
    failed = stack.up(program(2, 60_000), disk=30_000)
    assert failed.code == 1
    assert "File too large" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr
    assert set(stack.entries()) == {"a-1"}
    assert list(stack.backend.rglob(".tmp-*")) == []
    stack.must("cancel", "--yes", "--stack", "dev")
    assert stack.up(program(2)).code == 0
    assert stack.entries()["a-1"]["inputs"]["v"] == 2
