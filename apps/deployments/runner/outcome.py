"""How a run ended, from the host's result or from its absence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from apps.deployments.choices import Operation, RunStatus

# A gate closed that opens by itself: nothing was begun, and the deployment waits.
GATE_CLOSED = "gate.closed"
STATUS_OF_OUTCOME = {
    "succeeded": RunStatus.SUCCEEDED,
    "failed": RunStatus.FAILED,
    "refused": RunStatus.FAILED,
    "canceled": RunStatus.CANCELED,
    "errored": RunStatus.ERRORED,
}


@dataclasses.dataclass
class Outcome:
    """What is written with the last status. `result` is the host's, redacted but for `state`."""

    status: RunStatus
    code: str = ""
    reason: str = ""
    next_step: str = ""
    result: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hello: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    # Of the configuration as planned: its digest, and what is shown of it.
    config_digest: str = ""
    described: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Parts of the fingerprint that moved: nothing was begun.
    moved: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def from_result(result: Mapping[str, Any]) -> Outcome:
    """The host's own verdict."""
    status = STATUS_OF_OUTCOME.get(str(result.get("outcome")), RunStatus.ERRORED)
    return Outcome(
        status,
        code=str(result.get("code") or ""),
        reason=str(result.get("reason") or ""),
        next_step="" if status == RunStatus.SUCCEEDED else str(result.get("next_step") or ""),
        result=result,
    )


def on_full_disk(found: Outcome) -> Outcome:
    """The same end of a host without a result, with the likely cause and the way out."""
    found.code = "disk.full"
    found.reason += " The disk of ORCHESTRA_HOME is full."
    found.next_step = f"Free space on that disk. {found.next_step}"
    return found


def host_killed(operation: str, mutating: bool, code: int | None, stderr: str) -> Outcome:  # noqa: FBT001 - a fact of the run
    """The host ended without a result. Of a mutating run nobody knows what it did."""
    how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
    words = f": {stderr.splitlines()[-1]}" if stderr else "."
    reason = f"The engine host of this {operation} ended {how} and left no result{words}"
    if mutating:
        return Outcome(
            RunStatus.LOST,
            "host.killed",
            reason,
            "It is not known what was changed. Open the recovery of the deployment.",
        )
    return Outcome(
        RunStatus.ERRORED,
        "host.killed",
        reason,
        "Nothing was changed. Plan again.",
    )


def killed_by_us(operation: str, mutating: bool) -> Outcome:  # noqa: FBT001 - a fact of the run
    """Cancel ended in SIGKILL: what the engine was doing then is not known."""
    if mutating:
        return Outcome(
            RunStatus.LOST,
            "run.killed",
            f"This {operation} did not stop when asked and was ended by force.",
            "It is not known what was changed. Open the recovery of the deployment.",
        )
    return Outcome(
        RunStatus.CANCELED,
        "run.canceled",
        f"This {operation} was canceled and ended by force; it only reads.",
        "Plan again.",
    )


def canceled_before_start(operation: Operation | str) -> Outcome:
    return Outcome(
        RunStatus.CANCELED,
        "run.canceled",
        f"The {operation} was canceled before its engine was started. Nothing was changed.",
        "Plan again.",
    )
