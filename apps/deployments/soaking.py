"""How long a revision has run verified in an environment, from what was deployed there."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from django.utils import timezone

from apps.deployments.choices import DeploymentStatus, Kind, Verification
from apps.deployments.identity import Identity, deployments_of
from apps.deployments.models import Deployment

# These put something else in the revision's place, or take it away.
CHANGING = (Kind.DEPLOY, Kind.ROLLBACK, Kind.IMPORT, Kind.DESTROY)


@dataclasses.dataclass(frozen=True)
class Soak:
    """
    `longest` is the longest unbroken time verified; `since` when the one that goes on began, None
    where the revision is not in place any more. `by` is the deployment that was verified last.
    """

    longest: timedelta
    since: datetime | None
    by: Deployment


def soak_in(slug: str, found: Identity) -> Soak | None:
    """
    None where the revision is not verified there. A failed verification takes away what went before
    it, whichever deployment of the revision failed.
    """
    mine = Deployment.objects.filter(environment__slug=slug, kind__in=CHANGING)
    first = deployments_of(found).filter(pk__in=mine.values("pk")).first()
    if first is None or not found.program_digest:
        return None
    stood = mine.filter(pk__lt=first.pk, started_at__isnull=False).order_by("-pk").first()
    course = _Course(found)
    if stood is not None:
        course.take(stood)
    for row in mine.filter(pk__gte=first.pk).order_by("pk"):
        course.take(row)
    return course.soak()


class _Course:
    """What happened in one environment, one deployment after the other."""

    def __init__(self, found: Identity) -> None:
        self._found = found
        self._longest = timedelta(0)
        self._since: datetime | None = None
        self._by: Deployment | None = None
        # The verified program that is in place, whatever its commit.
        self._tree = ""

    def take(self, row: Deployment) -> None:
        same = self._found.is_of(row.revision) and row.kind != Kind.DESTROY
        if row.status == DeploymentStatus.UNCHANGED:
            # Another commit of the very program that is verified there: nothing was to be done.
            if same and self._tree == self._found.program_digest:
                self._stay(row)
            return
        if row.started_at is None:
            return
        verified = is_verified(row) and row.kind != Kind.DESTROY
        self._tree = str(row.revision.get("program_digest") or "") if verified else ""
        if not same:
            self._leave(row.started_at)
        elif row.verification == Verification.FAILED:
            self._longest, self._since, self._by = timedelta(0), None, None
        elif verified:
            self._stay(row)

    def _stay(self, row: Deployment) -> None:
        self._by = row
        self._since = self._since or row.finished_at

    def _leave(self, at: datetime | None) -> None:
        if self._since is not None and at is not None:
            self._longest = max(self._longest, at - self._since)
        self._since = None

    def soak(self) -> Soak | None:
        if self._by is None:
            return None
        now = timezone.now()
        running = now - self._since if self._since else timedelta(0)
        return Soak(max(self._longest, running), self._since, self._by)


def is_verified(row: Deployment) -> bool:
    """Applied, and every check passed."""
    return (
        row.status == DeploymentStatus.SUCCEEDED
        and row.verification == Verification.PASSED
        and row.finished_at is not None
    )
