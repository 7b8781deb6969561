"""Who can take a recovery on, who has, and who waits for it."""

from __future__ import annotations

import dataclasses

from apps.deployments import ladder, reading
from apps.deployments.models import Deployment
from apps.deployments.runner import line


@dataclasses.dataclass(frozen=True)
class Recoverer:
    """One person: `leads` took a step of this recovery, the last of all; `did` says which."""

    name: str
    may: bool
    leads: bool
    did: str


def people(row: Deployment) -> list[Recoverer]:
    """Everybody with the right, then those with a deployment in line behind it; nobody twice."""
    steps = _steps_by_person(row)
    lead = next(iter(steps), "")
    may = reading.people_with("recover", row.environment.slug)
    waiting = _waiting(row)
    names = sorted({*may, *waiting, *steps}, key=lambda name: (name != lead, name not in may, name))
    return [
        Recoverer(
            name,
            name in may,
            name == lead,
            "; ".join(filter(None, (steps.get(name, ""), waiting.get(name, "")))),
        )
        for name in names
    ]


def _steps_by_person(row: Deployment) -> dict[str, str]:
    """Name → the last step they took, the newest of all first."""
    found: dict[str, str] = {}
    for event in ladder.records(row).order_by("-pk"):
        if event.actor_kind != "system":
            what = event.event.rpartition(".")[2].replace("_", " ")
            found.setdefault(event.actor_name, f"{what} {event.at:%H:%M} UTC")
    return found


def _waiting(row: Deployment) -> dict[str, str]:
    found: dict[str, str] = {}
    for other in line.under_way(row.environment_id):
        if other.pk != row.pk:
            found.setdefault(other.requested_by, f"deployment {other.pk} waits behind it")
    return found
