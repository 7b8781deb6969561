"""Where a revision may go: rejections, the branch it is from, evidence, and where it was before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase

from apps.core.templatetags.portal import duration
from apps.deployments.blocking import Blocker
from apps.deployments.choices import RUNS_PROGRAM, Kind
from apps.deployments.evidence import Standing, standing
from apps.deployments.identity import Identity, identity_of, rejection_of
from apps.deployments.models import Deployment, Evidence
from apps.deployments.soaking import Soak, soak_in
from apps.environments.choices import EvidenceKind
from apps.environments.models import Environment


def revision_blockers(deployment: Deployment) -> list[Blocker]:
    """What the environment's rules have against this revision."""
    if deployment.kind not in RUNS_PROGRAM:
        return []
    place, found = deployment.environment, identity_of(deployment.revision)
    branch = str(deployment.revision.get("branch") or "")
    return [
        *rejected(found),
        *foreign_branch(place, branch),
        *_promoted(deployment, found),
        *evidence_blockers(place, found, is_rollback=deployment.kind == Kind.ROLLBACK),
        # A rollback goes back to what was verified in this very environment.
        *([] if deployment.kind == Kind.ROLLBACK else upstream_blockers(place, found)),
    ]


def blockers_when_asked(
    place: Environment, kind: str, revision: Mapping[str, object]
) -> list[Blocker]:
    """What is known to be against it before anything is planned."""
    if kind not in RUNS_PROGRAM:
        return []
    branch = str(revision.get("branch") or "")
    return [*rejected(identity_of(revision)), *foreign_branch(place, branch)]


def rejected(found: Identity) -> list[Blocker]:
    """A rejection holds everywhere, and no glass opens it."""
    row = rejection_of(found)
    if row is None:
        return []
    return [
        Blocker(
            "revision.rejected",
            f"Revision {found.short} was rejected by {row.rejected_by} at"
            f" {row.rejected_at:%Y-%m-%d %H:%M} UTC: {row.reason}"
            f" Nobody deploys it until rejection {row.pk} is lifted.",
            lasting=True,
            by=row.rejected_by,
            since=row.rejected_at,
        )
    ]


def foreign_branch(place: Environment, branch: str) -> list[Blocker]:
    """The whole name must match a pattern of the environment; no branch matches none."""
    allowed = place.protection.allowed_branches
    if not allowed or (branch and any(fnmatchcase(branch, pattern) for pattern in allowed)):
        return []
    return [
        Blocker(
            "branch.not_allowed",
            f"{place.slug} takes {', '.join(allowed)} only;"
            f" this revision is from {branch or 'no branch'}.",
        )
    ]


def _promoted(deployment: Deployment, found: Identity) -> list[Blocker]:
    """A promotion is of exactly what is verified below, from its request to its update."""
    source = deployment.promoted_from
    if source is None:
        return []
    slug = source.environment.slug
    if found.program_digest and not found.is_of(source.revision):
        return [
            Blocker(
                "promotion.other_program",
                f"Deployment {source.pk} verified {identity_of(source.revision).short} in {slug};"
                f" this plan is of {found.short}, another program.",
            )
        ]
    if soak_in(slug, identity_of(source.revision)) is None:
        return [
            Blocker(
                "promotion.revoked",
                f"What this promotes is not verified in {slug} any more:"
                f" its verification failed after deployment {source.pk}.",
            )
        ]
    return []


def evidence_blockers(
    place: Environment, found: Identity, *, is_rollback: bool = False
) -> list[Blocker]:
    """
    What the environment asks for and is missing or negative. A rollback was let in before: for it
    only a no counts.
    """
    wanted = [str(name) for name in place.protection.required_evidence]
    if not wanted:
        return []
    known = standing(found)
    return [
        blocker
        for name in wanted
        for blocker in (
            _of_kind(place, known[EvidenceKind(name)], is_rollback=is_rollback)
            if name in EvidenceKind.values
            else [_no_kind(place, name)]
        )
    ]


def _of_kind(place: Environment, entry: Standing, *, is_rollback: bool) -> list[Blocker]:
    if entry.negative:
        return [_negative(row) for row in entry.negative]
    if entry.is_enough or is_rollback:
        return []
    return [Blocker("evidence.missing", f"{entry.missing} {place.slug} asks for it.")]


def _negative(row: Evidence) -> Blocker:
    words = f": {row.comment}" if row.comment else "."
    return Blocker(
        "evidence.negative",
        f"{row.get_kind_display()} failed for this revision, says {row.who} at"
        f" {row.at:%Y-%m-%d %H:%M} UTC{words}",
        by=row.who,
        since=row.at,
    )


def _no_kind(place: Environment, name: str) -> Blocker:
    return Blocker(
        "evidence.unknown_kind",
        f"{place.slug} asks for “{name}”, which is no kind of evidence;"
        f" the kinds are {', '.join(EvidenceKind.values)}.",
    )


def upstream_blockers(place: Environment, found: Identity) -> list[Blocker]:
    """Verified in one of the environments that the rule names, for as long as it asks."""
    places = [str(slug) for slug in place.protection.verified_in]
    if not places:
        return []
    soaks = {slug: soak for slug in places if (soak := soak_in(slug, found)) is not None}
    wanted = timedelta(minutes=place.protection.soak_minutes)
    if any(soak.longest >= wanted for soak in soaks.values()):
        return []
    if not soaks:
        return [
            Blocker(
                "revision.not_verified",
                f"Revision {found.short} is not verified in {' or '.join(places)};"
                " deploy it there first.",
            )
        ]
    slug, soak = max(soaks.items(), key=lambda pair: (pair[1].since is not None, pair[1].longest))
    return [_soaking(wanted, slug, soak)]


def _soaking(wanted: timedelta, slug: str, soak: Soak) -> Blocker:
    """It passes by itself while the revision stays where it soaks."""
    ran = f"{duration(soak.longest)} of {duration(wanted)}"
    if soak.since is None:
        return Blocker(
            "revision.not_soaked",
            f"This revision ran verified in {slug} for {ran} and is not there any more;"
            " deploy it there again.",
        )
    until = soak.since + wanted
    return Blocker(
        "revision.soaking",
        f"This revision has run verified in {slug} for {ran}, since {soak.since:%Y-%m-%d %H:%M} UTC"
        f" by deployment {soak.by.pk} of {soak.by.requested_by};"
        f" it may go on at {until:%Y-%m-%d %H:%M} UTC.",
        waits=True,
        by=soak.by.requested_by,
        since=soak.since,
        until=until,
    )
