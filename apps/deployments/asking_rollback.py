"""What the confirmation pages of rollbacks and holds say."""

from __future__ import annotations

from apps.core.confirming import Confirmation, why_not
from apps.core.permissions import Actor
from apps.deployments import rollbacks
from apps.deployments.models import Deployment, Hold
from apps.deployments.rollbacks import Candidate
from apps.deployments.runner import line
from apps.environments.models import Environment

SHOWN = 12


def to_roll_back(actor: Actor, found: Candidate, back: str) -> Confirmation:
    row = found.deployment
    slug = row.environment.slug
    waiting = line.overtaken_by_rollback(row.environment_id)
    return Confirmation(
        title=f"Roll {slug} back to the revision of deployment {row.pk}?",
        sentence="This plans the deployment of the program, the settings and the secrets as they"
        f" were then.{_left(row.environment)} Nothing changes yet: you see the plan, and confirm"
        " it.",
        button=f"Plan rollback of {slug}",
        back=back,
        lines=[*lines_of(found), *(("", _overtaken(other)) for other in waiting)],
        note="What is there now is held: no automation brings it back until you lift the hold.",
        ask_reason="Reason (kept with the deployment and the hold)",
        heading="What would be different",
        blocked=why_not(actor, "deploy", slug),
    )


def _left(place: Environment) -> str:
    """The revision that goes."""
    bad = rollbacks.current(place)
    if bad is None:
        return ""
    commit = str(bad.revision.get("commit", ""))[:7]
    return (
        f" What is left is the revision of deployment {bad.pk}{f' ({commit})' if commit else ''}."
    )


def _overtaken(other: Deployment) -> str:
    return (
        f"Deployment {other.pk} by {other.requested_by} waits:"
        " the rollback goes first, and it is planned again after that."
    )


def lines_of(found: Candidate) -> list[tuple[str, str]]:
    """One line for each file and setting that differs."""
    lines = [
        ("", f"{entry.path}: {entry.change}, {entry.added} lines come, {entry.removed} go")
        for entry in found.files
    ]
    lines += [
        ("", f"{entry.path}: {entry.now or 'not set'} → {entry.then or 'not set'}")
        for entry in found.settings
    ]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [("", f"and {len(lines) - SHOWN} more")]
    return lines


def to_lift(actor: Actor, hold: Hold, back: str) -> Confirmation:
    slug = hold.environment.slug
    return Confirmation(
        title=f"Lift hold {hold.pk} of {slug}?",
        sentence=f"The revision of deployment {hold.deployment_id} was rolled back from:"
        f" {hold.reason}.",
        button=f"Lift the hold of {slug}",
        back=back,
        lines=[
            ("", "Schedules, webhooks and other automation may change the environment again."),
            ("", "This very revision may be deployed again."),
            ("", "What is there now stays as it is."),
        ],
        ask_reason="What has changed since (kept in the history)",
        heading="What may happen then",
        danger=True,
        blocked=why_not(actor, "deploy", slug),
    )


def to_switch(actor: Actor, place: Environment, back: str, *, wanted: bool) -> Confirmation:
    slug = place.slug
    word = "on" if wanted else "off"
    lines = [
        "A deployment whose verification fails is rolled back to the newest verified revision.",
        "Once for each deployment, and never for a rollback's own failure.",
        "Where approval is asked for, people still approve it; where not, it applies by itself.",
    ]
    return Confirmation(
        title=f"Turn the automatic rollback of {slug} {word}?",
        sentence="It is on now." if not wanted else "It is off now: people roll back.",
        button=f"Turn the automatic rollback of {slug} {word}",
        back=back,
        lines=[("", line) for line in lines]
        if wanted
        else [("", "A failed verification waits for people.")],
        heading="What happens then",
        hidden={"enabled": "yes" if wanted else "no"},
        blocked=why_not(actor, "edit_protection", slug),
    )
