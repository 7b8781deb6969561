"""Update plans: saved by a preview, held to by an update, refused when they are damaged."""

import pytest

from tests.infra.embedded_engine.engine_lab import ENGINE, Entry, ok, pair

pytestmark = ENGINE


@pytest.fixture
def stack(lab):
    return lab.init()


def test_an_update_keeps_to_its_plan(stack):
    plan = str(stack.work / "plan.json")
    ok(stack.preview(pair(1), "--save-plan", plan))
    refused = stack.up(pair(2), "--plan", plan)
    assert refused.code == 1
    assert any("violates plan" in text for text in refused.errors)
    assert stack.ledger.real == {}
    ok(stack.up(pair(1), "--plan", plan))
    assert sorted(stack.ledger.real) == ["first-1", "second-2"]


def test_an_update_that_previews_first_finds_a_violation_before_its_first_change(stack):
    plan = str(stack.work / "plan.json")
    ok(stack.preview(pair(), "--save-plan", plan))

    def more():
        pair()()
        Entry("third", {"v": 1})

    refused = stack.up(more, "--plan", plan, rehearse=True)
    assert refused.code == 1
    assert any(
        "violates plan" in text or "not allowed by the plan" in text for text in refused.errors
    )
    assert stack.ledger.real == {}
    done = ok(stack.up(pair(), "--plan", plan, rehearse=True))
    assert done.changes == {"create": 3}
    assert sorted(stack.ledger.real) == ["first-1", "second-2"]


def test_a_plan_that_is_not_there_stops_the_update(stack):
    refused = stack.up(pair(), "--plan", str(stack.work / "none.json"))
    assert refused.code == 1
    assert "no such file or directory" in refused.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"resourcePlans": 5}',
        '{"resourcePlans": {"u": 5}}',
        '{"resourcePlans": {"u": {"goal": {"inputDiff": {"adds": "x"}}, "steps": []}}}',
    ],
)
def test_a_damaged_plan_is_refused(ours, text):
    ok(ours.init().up(pair(1)))
    plan = ours.work / "plan.json"
    plan.write_text(text)
    refused = ours.up(pair(2), "--plan", str(plan))
    assert refused.code == 1, refused.stdout + refused.stderr
    assert refused.stderr.startswith("error: ")
    assert "plan" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert ours.ledger.real["first-1"]["v"] == 1
    assert ours.locks() == []
