"""
Names the outcome of a run: outcome, message id, reason and next step.

A provider's or program's own error begins with a message id in brackets and may end in `Next: …`:
`[port.taken] Port 8003 on 127.0.0.1 is held by node, pid 4121. Next: free the port, or set port
8010.`
"""

import dataclasses
import re

from infra.engine_host.journal import Journal

CODED = re.compile(r"\[([a-z]+\.[a-z_]+)\] (.+)")
RAISED = "python inline source runtime error:"

NEXT_STEPS = {
    "": "",
    "engine.failed": "Read the log of the run, mend what it names, and run again.",
    "engine.locked": "Wait for the other run, or remove its lock on the recovery page once its "
    "process is gone.",
    "engine.plan_violated": "Make a new plan and have it approved: the program, its settings or "
    "the state moved since this one.",
    "engine.not_found": "Run `make run` to install an engine, or set PULUMI_ROOT to one's folder.",
    "engine.unsupported": "Install the Pulumi CLI for this operation, or do without it.",
    "engine.killed": "Open the recovery page: the state may list operations that nobody finished.",
    "program.raised": "Mend the program, or the settings that it read, and run again.",
    "program.missing": "Check the program's folder in the settings of the environment.",
    "provider.failed": "Mend what the message names and run again; what was made stays recorded.",
    "port.taken": "Free the port or give the server another one in the settings.",
    "package.failed": "Check name, version and the package index, and run again.",
    "settings.malformed": "Correct the setting and run again.",
    "passphrase.wrong": "Restore the passphrase of this stack; without it its secrets stay closed.",
    "adopt.unknown": "Look at the state again, and name what it lists.",
    "adopt.recorded": "Clear the entry; the next plan decides about the replacement.",
    "state.pending_operations": "Settle the pending operations on the recovery page first.",
    "state.damaged": "Restore the copy of the state that an earlier run kept.",
    "run.canceled": "Make a new plan; it shows what is left to do.",
    "run.time_limit": "Make a new plan, or raise the time limit of the environment.",
    "run.incomplete": "Run it again: what is left is listed in the state.",
    "disk.full": "Free space on the disk that the message names, and run again.",
    "host.broken": "Read the host's standard error in the run's folder, and report it.",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    outcome: str
    code: str = ""
    reason: str = ""
    next_step: str = ""

    def __post_init__(self) -> None:
        if not self.next_step:
            object.__setattr__(self, "next_step", NEXT_STEPS[self.code])


SUCCEEDED = Verdict("succeeded")

# Texts by which an engine is known to have refused before it did anything: pattern, message id,
# reason.
_REFUSED = (
    (
        "stack is currently locked by",
        "engine.locked",
        "Another engine process holds the stack.",
    ),
    (
        "incorrect passphrase|passphrase must be set",
        "passphrase.wrong",
        "The passphrase does not open the stack's secrets.",
    ),
    (
        "does not support (.+?)(?:;|$)",
        "engine.unsupported",
        "The engine does not support {0}.",
    ),
    (
        "unexpected end of JSON input|snapshot integrity|checkpoint version|newer than what this",
        "state.damaged",
        "The engine cannot read the stack's state.",
    ),
)
_PLAN = re.compile(r"violates plan|not allowed by the plan|resource operations for .* but none")
_FULL = re.compile(r"no space left on device|ENOSPC|disk quota exceeded", re.IGNORECASE)


def judge_failure(journal: Journal, exit_code: int | None, output: str) -> Verdict:
    """Why an engine process ended with something else than 0. `output`: its stdout and stderr."""
    if exit_code is None or exit_code < 0:
        signal = "" if exit_code is None else f" by signal {-exit_code}"
        return Verdict("errored", "engine.killed", f"The engine process was ended{signal}.")
    text = "\n".join([*(message for _, message in journal.errors), output])
    for decide in (_judge_disk, _judge_coded, _judge_refusal, _judge_plan, _judge_program):
        if verdict := decide(journal, text):
            return verdict
    return _judge_rest(journal, output)


def _judge_disk(_journal: Journal, text: str) -> Verdict | None:
    found = _FULL.search(text)
    return Verdict("failed", "disk.full", f"{_line_of(text, found)}") if found else None


def _judge_coded(journal: Journal, text: str) -> Verdict | None:
    for urn, message in [*journal.errors, ("", text)]:
        found = CODED.search(message)
        if not found:
            continue
        reason, _, way_out = found[2].strip().partition(" Next: ")
        if found[1] in NEXT_STEPS:
            return Verdict("failed", found[1], reason, _sentence(way_out))
        name = f"{_name(urn)}: " if urn else ""
        return Verdict("failed", "provider.failed", f"{name}{reason}", _sentence(way_out))
    return None


def _judge_refusal(journal: Journal, text: str) -> Verdict | None:
    if journal.failed_urns:
        return None  # something was begun
    for pattern, code, reason in _REFUSED:
        if found := re.search(pattern, text):
            return Verdict("refused", code, reason.format(*found.groups()))
    return None


def _judge_plan(_journal: Journal, text: str) -> Verdict | None:
    found = _PLAN.search(text)
    if not found:
        return None
    return Verdict(
        "failed", "engine.plan_violated", f"The plan was not kept: {_line_of(text, found)}"
    )


def _judge_program(_journal: Journal, text: str) -> Verdict | None:
    if RAISED not in text:
        return None
    raised = text.split(RAISED, 1)[1].strip().splitlines()
    return Verdict(
        "failed", "program.raised", f"The program raised: {raised[0] if raised else '?'}"
    )


def _judge_rest(journal: Journal, output: str) -> Verdict:
    for urn, message in journal.errors:
        if urn and message.strip():
            reason = f"{_name(urn)}: {message.strip().splitlines()[0]}"
            return Verdict("failed", "provider.failed", reason)
    lines = [m.strip().splitlines()[0] for _, m in journal.errors if m.strip()]
    lines += [line for line in output.splitlines() if line.startswith("error:")]
    reason = lines[0] if lines else "The engine failed without a word."
    return Verdict("failed", "engine.failed", reason)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _line_of(text: str, found: re.Match[str]) -> str:
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else None].strip()
