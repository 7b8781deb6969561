"""The card about a revision on a deployment's page: what is known, asked and missing."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

from apps.core.permissions import Actor, may
from apps.core.templatetags.portal import duration
from apps.deployments.choices import RUNS_PROGRAM
from apps.deployments.evidence import Standing, standing
from apps.deployments.identity import Identity, identity_of, rejection_of
from apps.deployments.models import Deployment
from apps.deployments.soaking import soak_in
from apps.environments.choices import EvidenceKind
from apps.environments.models import Environment


@dataclasses.dataclass(frozen=True)
class Line:
    """One thing that is asked for or known: its tone and its words, and what was found."""

    name: str
    tone: str
    words: str
    found: Any = ()


def revision_card(actor: Actor, row: Deployment) -> dict[str, Any] | None:
    """None where no program runs, or before the revision is known."""
    found = identity_of(row.revision)
    if row.kind not in RUNS_PROGRAM or not (found.commit or found.program_digest):
        return None
    return {
        "identity": found,
        "rejection": rejection_of(found),
        "lines": [*_evidence(row.environment, found), *_upstream(row.environment, found)],
        "may_report": may(actor, "report_evidence"),
        "may_reject": may(actor, "reject_revision"),
        "may_lift": may(actor, "lift_rejection"),
    }


def _evidence(place: Environment, found: Identity) -> list[Line]:
    asked = set(place.protection.required_evidence)
    known = standing(found)
    return [
        _line(entry, asked=kind in asked)
        for kind, entry in known.items()
        if entry.rows or kind in asked
    ]


def _line(entry: Standing, *, asked: bool) -> Line:
    name = EvidenceKind(entry.kind).label
    if entry.negative:
        return Line(name, "bad", "failed", entry.rows)
    if entry.is_enough:
        return Line(name, "ok", "passed", entry.rows)
    if entry.needed > 1:
        return Line(
            name,
            "wait" if asked else "off",
            f"{len(entry.positive)} of {entry.needed} people",
            entry.rows,
        )
    return Line(name, "wait", "asked for, not reported")


def _upstream(place: Environment, found: Identity) -> list[Line]:
    wanted = timedelta(minutes=place.protection.soak_minutes)
    lines = []
    for slug in map(str, place.protection.verified_in):
        soak = soak_in(slug, found)
        if soak is None:
            lines.append(Line(f"Verified in {slug}", "off", "no"))
            continue
        ran = duration(soak.longest)
        enough = soak.longest >= wanted
        words = f"for {ran}" if enough else f"{ran} of {duration(wanted)}"
        lines.append(Line(f"Verified in {slug}", "ok" if enough else "wait", words))
    return lines
