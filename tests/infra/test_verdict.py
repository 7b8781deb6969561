"""From an engine's words to outcome, message id, reason and way out."""

import pathlib
import re

import pytest

from infra.engine_host.journal import Journal
from infra.engine_host.verdict import NEXT_STEPS, RAISED, judge_failure

URN = "urn:pulumi:development::orchestra::orchestra:mcp:McpFleet$orchestra:mcp:Server::memory"
PORT = (
    "orchestra:mcp:Server resource 'memory': property port value {8003} has a problem: "
    "[port.taken] Port 8003 on 127.0.0.1 is held by node, pid 4121. Nothing was changed. "
    "Next: end that process, or give it the port 8010."
)


class NoLines:
    def write(self, kind, **keys):
        pass


def _journal(*diagnostics, failed=()):
    journal = Journal(NoLines())
    for urn, message in diagnostics:
        event = {"urn": urn, "message": message, "severity": "error"}
        journal.take({"sequence": 1, "diagnosticEvent": event})
    for urn in failed:
        journal.take({"resOpFailedEvent": {"metadata": {"urn": urn}}})
    return journal


# Diagnostics, output of the engine, outcome, code, reason.
SAYINGS = [
    (
        [(URN, PORT)],
        "",
        ("failed", "port.taken"),
        "Port 8003 on 127.0.0.1 is held by node, pid 4121. Nothing was changed.",
    ),
    (
        [(URN, "[package.failed] Installing x failed. | E404 Next: check.")],
        "",
        ("failed", "package.failed"),
        "Installing x failed. | E404",
    ),
    ([(URN, "[odd.code] It broke.")], "", ("failed", "provider.failed"), "memory: It broke."),
    (
        [(URN, "something went wrong\nmore")],
        "",
        ("failed", "provider.failed"),
        "memory: something went wrong",
    ),
    (
        [("", "python inline source runtime error: division by zero\nTraceback")],
        "",
        ("failed", "program.raised"),
        "The program raised: division by zero",
    ),
    (
        [("", f"{RAISED} [settings.malformed] The setting mcp is missing. Next: add it.\nTrace")],
        "",
        ("failed", "settings.malformed"),
        "The setting mcp is missing.",
    ),
    (
        [],
        "error: the stack is currently locked by 1 lock(s). Either wait",
        ("refused", "engine.locked"),
        "Another engine process holds the stack.",
    ),
    (
        [],
        "error: getting secrets manager: incorrect passphrase",
        ("refused", "passphrase.wrong"),
        "The passphrase does not open the stack's secrets.",
    ),
    (
        [],
        "error: the embedded engine does not support policy packs; install the Pulumi CLI",
        ("refused", "engine.unsupported"),
        "The engine does not support policy packs.",
    ),
    (
        [(URN, "resource u violates plan: properties changed: =~v[{1}!={2}]")],
        "",
        ("failed", "engine.plan_violated"),
        "The plan was not kept: resource u violates plan: properties changed: =~v[{1}!={2}]",
    ),
    (
        [(URN, "[package.failed] npm ERR! ENOSPC: no space left on device")],
        "",
        ("failed", "disk.full"),
        "[package.failed] npm ERR! ENOSPC: no space left on device",
    ),
    (
        [],
        "error: unexpected end of JSON input",
        ("refused", "state.damaged"),
        "The engine cannot read the stack's state.",
    ),
    ([], "error: no idea", ("failed", "engine.failed"), "error: no idea"),
    ([], "", ("failed", "engine.failed"), "The engine failed without a word."),
]


@pytest.mark.parametrize(("diagnostics", "output", "named", "reason"), SAYINGS)
def test_what_an_engine_says_has_a_name(diagnostics, output, named, reason):
    verdict = judge_failure(_journal(*diagnostics), 1, output)
    assert (verdict.outcome, verdict.code) == named
    assert verdict.reason == reason
    assert verdict.next_step


def test_the_providers_own_way_out_is_kept():
    assert judge_failure(_journal((URN, PORT)), 1, "").next_step == (
        "End that process, or give it the port 8010."
    )


def test_an_engine_that_was_killed_did_not_say_no():
    verdict = judge_failure(_journal(), -9, "")
    assert (verdict.outcome, verdict.code) == ("errored", "engine.killed")
    assert "signal 9" in verdict.reason


def test_a_lock_in_an_error_text_of_a_begun_run_is_no_refusal():
    journal = _journal((URN, "the stack is currently locked by 1 lock(s)"), failed=[URN])
    assert judge_failure(journal, 1, "").outcome == "failed"


def test_every_message_id_of_the_contract_has_a_next_step():
    text = pathlib.Path("infra/engine_host/README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `code` |"))
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", row))
    assert len(named) > 15
    assert named | {""} == set(NEXT_STEPS)


def test_the_last_summary_counts_when_an_update_keeps_its_preview():
    journal = _journal()
    for preview, changes in ((True, {"create": 3}), (False, {"create": 2})):
        summary = {"isPreview": preview, "resourceChanges": changes, "result": "succeeded"}
        journal.take({"summaryEvent": summary})
    assert journal.changes == {"create": 2}
