"""What was done is told in words, whichever verb did it."""

import ast
import re
from pathlib import Path

import pytest

from apps.audit.models import AuditEvent
from apps.audit.templatetags.record import told
from apps.audit.wording import SENTENCES, parts_of, sentence_of

APPS = Path(__file__).parents[2] / "apps"
# Past tenses that do not end in -ed; where it differs from the participle, it has its sentence.
IRREGULAR = {"set", "made", "read"}


def recorded():
    """Every event that is written out in a call of `record`."""
    for path in APPS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "func", None)
            if isinstance(node, ast.Call) and "record" in (
                getattr(name, "id", ""),
                getattr(name, "attr", ""),
            ):
                found = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from (text for text in found if re.fullmatch(r"[a-z_]+(\.[a-z_]+){2}", text))


def plain(event, what):
    return "".join(parts_of(event, what)).replace("{what}", what).replace("{who}", "ada")


def test_every_event_has_a_sentence_in_the_past_tense():
    events = set(recorded())
    assert len(events) > 60
    for event in sorted(events - SENTENCES.keys()):
        _, _, past = event.rpartition(".")
        text = sentence_of(event)
        assert "_" not in text, event
        assert text.startswith("{what}") or past in IRREGULAR or past.endswith("ed"), event


@pytest.mark.parametrize(
    ("event", "what", "words"),
    [
        ("environments.source.changed", "staging", "ada changed the program source of staging"),
        ("environments.setting.changed", "staging: mcp", "ada changed the setting staging: mcp"),
        ("environments.protection.changed", "protection of x", "ada changed the protection of x"),
        ("environments.port.allocated", "127.0.0.1:8003", "ada allocated the port 127.0.0.1:8003"),
        ("deployments.deployment.approved", "deployment 7 to x", "ada approved deployment 7 to x"),
        ("deployments.deployment.succeeded", "deployment 7 to x", "deployment 7 to x succeeded"),
        ("deployments.run.lost", "run 3 (update)", "run 3 (update) was lost"),
        ("deployments.recovery.state_read", "run 7", "ada read the state behind run 7"),
        ("environments.line.stopped", "line", "ada stopped the line"),
    ],
)  # fmt: skip
def test_an_event_reads_as_who_did_what_to_what(event, what, words):
    assert plain(event, what) == words


def test_a_hostile_name_stays_text():
    event = AuditEvent(
        event="environments.port.released", actor_name="<b>ada", object_name="\x1b[31m<img>"
    )
    text = told(event)
    assert "<strong>&lt;b&gt;ada</strong> released the port" in text
    assert "<img>" not in text
    assert "\x1b" not in text
