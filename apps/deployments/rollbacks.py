"""What an environment can go back to, and what each would change. Reads; changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from apps.deployments.choices import DeploymentStatus, Kind, Verification
from apps.deployments.differences import (
    Difference,
    FileDifference,
    configurations_between,
    programs_between,
)
from apps.deployments.keeping import kept_program
from apps.deployments.models import Deployment, Hold, KeptRevision
from apps.environments.models import Environment

# So many are offered; older ones can still be named.
OFFERED = 5


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One verified revision that can come back."""

    deployment: Deployment
    settings: list[Difference]
    files: list[FileDifference]


def current(place: Environment) -> Deployment | None:
    """The deployment whose revision is there now, whole or in part; None after a destroy."""
    rows = Deployment.objects.filter(environment=place).select_related("kept")
    brought = rows.filter(kept__isnull=False).order_by("-pk").first()
    if brought is None:
        return None
    destroyed = rows.filter(kind=Kind.DESTROY, status=DeploymentStatus.SUCCEEDED)
    return None if destroyed.filter(pk__gt=brought.pk).exists() else brought


def candidates(place: Environment, *, most: int = OFFERED) -> list[Candidate]:
    """The last verified revisions that differ from what is there and were kept, newest first."""
    bad = current(place)
    if bad is None:
        return []
    found: list[Candidate] = []
    for row in _choices(place, bad):
        found.append(Candidate(row, settings_between(bad, row), files_between(bad, row)))
        if len(found) == most:
            break
    return found


def target_of(place: Environment, to: int | None) -> Deployment | None:
    """The deployment to go back to: the one named, or the newest on offer."""
    bad = current(place)
    if bad is None:
        return None
    rows = (row for row in _choices(place, bad) if to is None or row.pk == to)
    return next(rows, None)


def _choices(place: Environment, bad: Deployment) -> Iterator[Deployment]:
    rows = Deployment.objects.filter(
        environment=place,
        kind__in=(Kind.DEPLOY, Kind.ROLLBACK),
        status=DeploymentStatus.SUCCEEDED,
        verification=Verification.PASSED,
        kept__isnull=False,
    )
    seen = {pair_of(bad.kept)}
    seen |= set(
        Hold.objects.standing()
        .filter(environment=place)
        .values_list("program_digest", "config_digest")
    )
    for row in rows.select_related("kept", "environment").order_by("-pk"):
        pair = pair_of(row.kept)
        if pair not in seen and kept_program(row.kept.program_digest):
            seen.add(pair)
            yield row


def pair_of(kept: KeptRevision) -> tuple[str, str]:
    """What makes two revisions the same here: program and configuration."""
    return kept.program_digest, kept.config_digest


def settings_between(now: Deployment, then: Deployment) -> list[Difference]:
    """By path, from the configurations as planned; secrets by version only."""
    return configurations_between(now.configuration, then.configuration)


def files_between(now: Deployment, then: Deployment) -> list[FileDifference]:
    """By name, from the kept trees. Empty where the programs are the same."""
    return programs_between(now.kept.program_digest, then.kept.program_digest)
