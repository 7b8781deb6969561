"""What the pages before looking for drift, accepting it and correcting it say."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from apps.core.confirming import Confirmation, why_not
from apps.core.errors import Refused
from apps.core.permissions import Actor
from apps.deployments.choices import DriftStatus
from apps.deployments.drift import Drift, drift_of
from apps.environments.models import Environment

SHOWN = 12
# A change of a drift run tells what the state would take over from the real thing.
WORDS = {"create": "is new", "update": "differs", "replace": "was replaced", "delete": "is gone"}


def nothing_to_decide(found: Drift, place: Environment) -> Refused | None:
    """Why accepting and correcting are not offered: nobody looked, or nothing was found."""
    if found.status == DriftStatus.UNKNOWN:
        return Refused(
            "drift.not_looked",
            f"Nobody has looked at {place.slug} since the last update.",
            next_step="Detect drift first.",
        )
    if found.status == DriftStatus.NONE:
        return Refused("drift.none", f"The last look found no drift in {place.slug}.")
    return None


def to_detect(actor: Actor, place: Environment) -> Confirmation:
    return Confirmation(
        title=f"Detect drift in {place.slug}?",
        sentence="A run reads every real resource back and compares it with what was declared."
        " It takes no lease and blocks nobody.",
        button=f"Detect drift in {place.slug}",
        back=reverse("admin:environment", args=[place.slug]),
        reading=True,
        blocked=why_not(actor, "check", place.slug),
    )


def to_accept(actor: Actor, place: Environment) -> Confirmation:
    return Confirmation(
        title=f"Accept drift in {place.slug}?",
        sentence="The real things are right: this plans to write them into the state. Nothing"
        " changes yet; you see the plan, and confirm it.",
        button=f"Accept drift in {place.slug}",
        back=reverse("admin:environment", args=[place.slug]),
        lines=lines_of(drift_of(place), "The state takes over: "),
        note="The real things stay as they are. What is declared otherwise drifts again at the next"
        " deployment, unless you change the settings, too.",
        ask_reason="Reason (kept with the deployment)",
        heading="What the state will say",
        blocked=why_not(actor, "deploy", place.slug),
    )


def to_correct(actor: Actor, place: Environment) -> Confirmation:
    return Confirmation(
        title=f"Correct drift in {place.slug}?",
        sentence="The declaration is right: this plans a deployment that brings the real things"
        " back to it. Nothing changes yet; you see the plan, and confirm it.",
        button=f"Correct drift in {place.slug}",
        back=reverse("admin:environment", args=[place.slug]),
        lines=lines_of(drift_of(place), "Brought back: "),
        ask_reason="Reason (kept with the deployment)",
        heading="What differs now",
        blocked=why_not(actor, "deploy", place.slug),
    )


def lines_of(found: Drift, before: str) -> list[tuple[str, str]]:
    """One line for each resource that drifted; a sentence where none is known."""
    if found.status == "unknown":
        return [("", "Nobody has looked since the last update. The plan looks again.")]
    if not found.changes:
        return [("", "The last look found no drift. The plan looks again.")]
    lines = [("", before + words_of(change)) for change in found.changes[:SHOWN]]
    if len(found.changes) > SHOWN:
        lines.append(("", f"and {len(found.changes) - SHOWN} more, all in the last look"))
    return lines


def words_of(change: dict[str, Any]) -> str:
    """`memory (mcp:Server) differs: port, version`."""
    kind = change["type"].split(":", 1)[-1]
    paths = ", ".join(part["path"] for part in change.get("properties", [])[:5])
    words = WORDS.get(change["operation"], change["operation"])
    return f"{change['name']} ({kind}) {words}{': ' + paths if paths else ''}"
