"""What an audit event says in words: who did what to what."""

from __future__ import annotations

import re

# What `<past tense> <object>` would not say. `{who}` did it, `{what}` is the name of the object.
SENTENCES = {
    "accounts.role.granted": "{who} granted the role {what}",
    "accounts.role.revoked": "{who} revoked the role {what}",
    "deployments.alarm.mailed": "{who} mailed the alarm about {what}",
    "deployments.deployment.cancel_requested": "{who} asked to cancel {what}",
    "deployments.deployment.glass_broken": "{who} broke the glass for {what}",
    "deployments.deployment.overtaken": "{what} was overtaken by a rollback of {who}",
    "deployments.deployment.recovery_requested": "{who} asked to recover {what}",
    "deployments.deployment.superseded": "{what} was superseded by a newer one of {who}",
    "deployments.drift.accepted": "{who} accepted the drift with {what}",
    "deployments.drift.corrected": "{who} corrected the drift with {what}",
    "deployments.drift.not_corrected": "{who} left the drift of {what} to a person",
    "deployments.drift.requested": "{who} asked to look for drift with {what}",
    "deployments.evidence.reported": "{who} reported evidence: {what}",
    "deployments.lifetime.warned": "{who} warned that the {what} ends",
    "deployments.promotion.requested": "{who} asked for a promotion with {what}",
    "deployments.recovery.death_proven": "{who} proved the end of the process of {what}",
    "deployments.recovery.lock_removed": "{who} removed the lock behind {what}",
    "deployments.recovery.planned": "{who} planned anew after the recovery of {what}",
    "deployments.recovery.state_read": "{who} read the state behind {what}",
    "deployments.restore.requested": "{who} asked to restore a state with {what}",
    "deployments.revision.rejected": "{who} rejected a revision: {what}",
    "deployments.revision.rejection_lifted": "{who} lifted the {what}",
    "deployments.rollback.not_begun": "{who} could not roll back {what}",
    "deployments.rollback.requested": "{who} asked for a rollback with {what}",
    "deployments.run.cancel_requested": "{who} asked to cancel {what}",
    "deployments.run.canceled": "{what} was canceled",
    "deployments.run.errored": "{what} ended with an error of ours",
    "deployments.run.failed": "{what} failed",
    "deployments.run.lost": "{what} was lost",
    "deployments.run.succeeded": "{what} succeeded",
    "deployments.schedule.refused": "a moment of {what} was refused",
    "deployments.schedule.skipped": "a moment of {what} was skipped",
    "deployments.verification.revoked": "{who} revoked the verification of {what}",
    "environments.difference.explained": "{who} explained a difference of {what}",
    "environments.explanation.withdrawn": "{who} withdrew the explanation {what}",
    "environments.line.released": "{who} released the line",
    "environments.line.stopped": "{who} stopped the line",
    "environments.lock.taken": "{who} took the lock {what}",
    "environments.production_host.explained": "{who} explained a host of {what}",
    "environments.setup.checked": "{who} checked the setup",
    "environments.sharing.explained": "{who} explained what {what} shares",
    "environments.source.changed": "{who} changed the program source of {what}",
    "mcp.inventory.changed": "the tools of {what} changed",
    "mcp.server.check_requested": "{who} asked to look at the server {what}",
    "mcp.server.read_back": "{who} read back the server {what}",
    "monitoring.alert.known": "{who} told of {what} again",
    "monitoring.check.requested": "{who} asked to look at the check {what}",
    "monitoring.range.withdrawn": "{who} withdrew the range {what}",
}
# A deployment that moves by itself: `system("runs")` says so, and no person did it.
MOVED = {
    "awaiting_approval": "{what} waits for approval",
    "scheduled": "{what} is scheduled",
    "applying": "{what} is being applied",
    "verifying": "{what} is being verified",
    "succeeded": "{what} succeeded",
    "unchanged": "{what} had nothing to change",
    "expired": "{what} expired",
    "stale": "the plan of {what} became stale",
    "canceled": "{what} was canceled",
    "failed": "{what} failed",
    "rolled_back": "{what} was rolled back",
    "needs_recovery": "{what} needs recovery",
}


def sentence_of(event: str) -> str:
    """The sentence with its places `{who}` and `{what}`; of an event without its own, the rule."""
    thing, _, past = event.rpartition(".")
    if event in SENTENCES:
        return SENTENCES[event]
    if thing == "deployments.deployment" and past in MOVED:
        return MOVED[past]
    if thing == "deployments.recovery":
        step = past.removesuffix("_asked").replace("_", " ")
        return f"{{who}} asked for a step of the recovery of {{what}}: {step}"
    noun = thing.rpartition(".")[2].replace("_", " ")
    return f"{{who}} {past.replace('_', ' ')} the {noun} {{what}}"


def parts_of(event: str, what: str) -> list[str]:
    """
    The sentence cut into its texts and places, in order. The name of an object often begins with
    its kind, which is then said once: not `the deployment deployment 12`.
    """
    before, place, after = sentence_of(event).partition("{what}")
    words = before.split()
    if place and words and what.lower().startswith(f"{words[-1]} "):
        numbered = what[len(words[-1]) + 1 :][:1].isdigit()
        words = words[: -2 if numbered and words[-2:-1] == ["the"] else -1]
        before = " ".join([*words, ""])
    return [part for part in re.split(r"(\{who\}|\{what\})", before + place + after) if part]
