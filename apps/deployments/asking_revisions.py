"""What the pages between a button and a verb about a revision say."""

from __future__ import annotations

from apps.core.confirming import Ask, Confirmation, why_not
from apps.core.permissions import EVERYWHERE, Actor
from apps.deployments.choices import EvidenceResult
from apps.deployments.identity import identity_of
from apps.deployments.models import Deployment, RejectedRevision
from apps.environments.choices import EvidenceKind

LINK_HELP = "Where the finding can be read, such as a report or a pull request."


def to_report(actor: Actor, row: Deployment, back: str) -> Confirmation:
    found = identity_of(row.revision)
    return Confirmation(
        title=f"Report evidence about revision {found.short}",
        sentence="It counts in every environment this revision goes to.",
        button="Report evidence",
        back=back,
        lines=named_parts(row),
        note="What you report takes the place of what you reported before of the same kind.",
        asks=[
            Ask("kind", "Kind", choices=EvidenceKind.choices),
            Ask("result", "Result", choices=EvidenceResult.choices),
            Ask("link", "Link", help=LINK_HELP),
            Ask("comment", "Comment", long=True),
        ],
        heading="What you found",
        reading=True,
        blocked=why_not(actor, "report_evidence", EVERYWHERE),
    )


def to_reject(actor: Actor, row: Deployment, back: str) -> Confirmation:
    found = identity_of(row.revision)
    return Confirmation(
        title=f"Reject revision {found.short} everywhere?",
        sentence="Nobody deploys or promotes it to any environment, until somebody lifts the"
        " rejection.",
        button=f"Reject revision {found.short}",
        back=back,
        lines=[
            *named_parts(row),
            ("", "Where it runs now it goes on running, until you deploy or roll back."),
        ],
        ask_reason="Why (everybody who is stopped by it reads this)",
        heading="What is rejected",
        danger=True,
        blocked=why_not(actor, "reject_revision", EVERYWHERE),
    )


def to_lift(actor: Actor, row: RejectedRevision, back: str) -> Confirmation:
    short = (row.commit or row.program_digest)[:12]
    return Confirmation(
        title=f"Lift the rejection of {short}?",
        sentence=f"{row.rejected_by} rejected it: {row.reason}",
        button=f"Lift the rejection of {short}",
        back=back,
        lines=[("", "It may be deployed and promoted again, under every other rule.")],
        ask_reason="Why (kept with the rejection)",
        blocked=why_not(actor, "lift_rejection", EVERYWHERE),
    )


def named_parts(row: Deployment) -> list[tuple[str, str]]:
    """The revision by its parts."""
    found = identity_of(row.revision)
    lines = []
    if found.commit and not found.modified:
        lines.append(("", f"Commit {found.commit}"))
    if found.program_digest:
        lines.append(("", f"Program tree {found.program_digest}"))
    return lines
