"""The life story of a deployment: plan, decision, change, verification."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime

from apps.core.templatetags.portal import duration
from apps.deployments import approvals as rules
from apps.deployments.choices import (
    DEPLOYMENT_OPEN,
    DeploymentStatus,
    Kind,
    Operation,
    Verification,
)
from apps.deployments.models import Approval, Deployment, Run

D = DeploymentStatus


@dataclasses.dataclass
class Step:
    """
    One station. `tone` is empty while it lies ahead; `at` its moment; `since` set while it lasts,
    so that the browser counts on.
    """

    word: str
    note: str = ""
    tone: str = ""
    now: bool = False
    at: datetime | None = None
    since: datetime | None = None


def steps(
    row: Deployment,
    runs: Sequence[Run],
    *,
    approvals: Sequence[Approval],
    progress: Mapping[str, int],
    checks: int,
) -> list[Step]:
    """Four stations: what is done, what is now, what lies ahead."""
    update = next((run for run in runs if run.mutating), None)
    preview = next((run for run in runs if run.operation == Operation.PREVIEW), None)
    four = [
        _plan(row, preview),
        _decision(row, approvals, decided=update is not None),
        _change(row, update, progress),
        _verification(row, checks),
    ]
    _mark(row, four, changed=update is not None)
    return four


def _plan(row: Deployment, preview: Run | None) -> Step:
    if row.planned_at is None:
        return Step("Plan", since=preview.started_at if preview else None)
    took = ""
    if preview and preview.finished_at and preview.started_at:
        took = duration(preview.finished_at - preview.started_at)
    return Step("Planned", took, "ok", at=row.planned_at)


def _decision(row: Deployment, approvals: Sequence[Approval], *, decided: bool) -> Step:
    needed = rules.needed(row)
    if not needed:
        by = approvals[0] if approvals else None
        if decided:
            return Step("Confirmed", f"by {by.by}" if by else "", "ok", at=by.at if by else None)
        return Step("Confirm", "by you or a colleague" if row.state in DEPLOYMENT_OPEN else "")
    count = f"{len(approvals)} of {needed}"
    if decided:
        return Step("Approved", f"{count} · {', '.join(given.by for given in approvals)}", "ok")
    return Step("Approval", count)


def _change(row: Deployment, update: Run | None, progress: Mapping[str, int]) -> Step:
    destroys = row.kind == Kind.DESTROY
    if update is None:
        return Step("Destroy" if destroys else "Apply")
    words = f"{progress['done']} of {progress['all']} changes"
    if not update.is_terminal:
        word = "Destroying" if destroys else "Applying"
        return Step(word, words, update.state.tone, since=update.started_at)
    word = "Destroyed" if destroys else "Applied"
    if update.state.tone == "ok":
        return Step(word, words, "ok", at=update.finished_at)
    return Step("Destroy" if destroys else "Apply", words, update.state.tone)


def _verification(row: Deployment, checks: int) -> Step:
    found = Verification(row.verification)
    if found == Verification.NOT_RUN:
        return Step("Verify")
    count = f"{checks} check{'' if checks == 1 else 's'}" if checks else found.label.lower()
    if found == Verification.PASSED:
        return Step("Verified", count, "ok", at=row.finished_at)
    return Step("Verify", found.label.lower(), found.tone)


def _mark(row: Deployment, four: list[Step], *, changed: bool) -> None:
    """Which station it stands at, and where it ended when it ended badly."""
    plan, decision, change, verification = four
    current = {
        D.PLANNING: plan,
        D.AWAITING_APPROVAL: decision,
        D.SCHEDULED: decision,
        D.APPLYING: change,
        D.NEEDS_RECOVERY: change if changed else plan,
        D.VERIFYING: verification,
    }.get(row.state)
    if current:
        current.now, current.tone = True, row.state.tone
        current.note = current.note or row.state.label.lower()
        return
    if row.state == D.UNCHANGED:
        for station in (decision, change, verification):
            station.note = "not needed"
    if row.state in (D.SUCCEEDED, D.UNCHANGED, D.ROLLED_BACK):
        return
    last = change if changed else decision if row.planned_at else plan
    if row.verification == Verification.FAILED:
        last = verification
    last.tone, last.note = row.state.tone, last.note or row.state.label.lower()
