"""DORA's four figures and the platform's targets, from rows that the page links to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.answering import answered
from apps.core.permissions import Actor, may
from apps.deployments.choices import DeploymentStatus, Kind, Operation, RunStatus
from apps.deployments.models import Deployment, Evidence, Run
from apps.environments.choices import EvidenceKind
from apps.environments.services import STARTED
from apps.monitoring.models import Incident

DAYS = 30
DONE = (DeploymentStatus.SUCCEEDED, DeploymentStatus.ROLLED_BACK)
BAD = (DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK, DeploymentStatus.NEEDS_RECOVERY)
CHANGES = (Kind.DEPLOY, Kind.ROLLBACK)
DEPLOYMENTS = "/admin/deployments/deployment/"
INCIDENTS = "/admin/monitoring/incident/"


@dataclasses.dataclass(frozen=True)
class Figure:
    """
    `value` in `unit` (`seconds`, `share`, `per day`), None where no row says anything; `goal` its
    limit, `is_met` None without one. `rows` is where the rows are, `of` how many.
    """

    name: str
    value: float | None
    unit: str
    of: int
    rows: str
    words: str
    goal: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


@dataclasses.dataclass(frozen=True)
class Change:
    """One deployment as far as the figures look."""

    environment: int
    kind: str
    status: str
    commit: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def changes_of(actor: Actor, since: datetime) -> list[Change]:
    """Deployments of the last days that were applied, oldest first."""
    rows = Deployment.objects.visible_to(actor).filter(requested_at__gt=since, kind__in=CHANGES)
    applied = rows.filter(status__in={*DONE, *BAD}).order_by("pk")
    fields = (
        "environment_id", "kind", "status", "revision__commit", "requested_at", "started_at",
        "finished_at",
    )  # fmt: skip
    return [Change(*row) for row in applied.values_list(*fields).iterator(2000)]


def dora(actor: Actor, environment: int | None = None) -> list[Figure]:
    """The four, over 30 days, of all environments or one."""
    found = changes_of(actor, timezone.now() - timedelta(days=DAYS))
    mine = [row for row in found if environment in (None, row.environment)]
    asked = f"&environment__id__exact={environment}" if environment else ""
    good = [row for row in mine if row.status in DONE]
    bad = [row for row in mine if row.status in BAD]
    back = restored(actor, environment)
    return [
        Figure(
            "Deployment frequency", len(good) / DAYS if mine else None, "per day", len(good),
            f"{DEPLOYMENTS}?status__exact=succeeded{asked}", "applied deployments in 30 days",
        ),
        Figure(
            "Lead time for changes", _median(lead_times(good, found)), "seconds", len(good),
            f"{DEPLOYMENTS}?status__exact=succeeded{asked}",
            "median, from the first plan of a commit anywhere to its success here",
        ),
        Figure(
            "Change failure rate", len(bad) / len(mine) if mine else None, "share", len(bad),
            f"{DEPLOYMENTS}?status__exact=failed{asked}",
            f"failed, rolled back or in need of recovery, of {len(mine)}",
        ),
        Figure(
            "Time to restore", _median(back), "seconds", len(back),
            f"{INCIDENTS}?status__exact=closed{asked}", "median of the outages that are over",
        ),
    ]  # fmt: skip


def lead_times(good: Sequence[Change], everywhere: Sequence[Change]) -> list[float]:
    """Seconds from the first plan of a commit, wherever it was, to its end."""
    first: dict[str, datetime] = {}
    for row in everywhere:
        if row.commit:
            first[row.commit] = min(first.get(row.commit, row.requested_at), row.requested_at)
    return [
        (row.finished_at - first.get(row.commit, row.requested_at)).total_seconds()
        for row in good
        if row.finished_at
    ]


def restored(actor: Actor, environment: int | None) -> list[float]:
    """Seconds of each outage that ended within the days."""
    rows = Incident.objects.visible_to(actor).filter(
        outage_at__isnull=False, closed_at__gt=timezone.now() - timedelta(days=DAYS)
    )
    if environment:
        rows = rows.filter(environment=environment)
    spans = rows.values_list("outage_at", "closed_at")
    return [(end - begin).total_seconds() for begin, end in spans if begin and end]


def targets(actor: Actor) -> list[Figure]:
    """What the platform promises, as far as rows of the portal tell it."""
    found = changes_of(actor, timezone.now() - timedelta(days=DAYS))
    backs = [
        (row.finished_at - row.requested_at).total_seconds()
        for row in found
        if row.kind == Kind.ROLLBACK and row.finished_at and row.status in DONE
    ]
    good = sum(row.status in DONE for row in found)
    slug = actor.visible_environments()
    runs = Run.objects.filter(requested_at__gt=timezone.now() - timedelta(days=DAYS))
    if slug is not None:
        runs = runs.filter(stack__environment__slug__in=slug)
    ended = runs.filter(operation=Operation.PREVIEW).exclude(finished_at=None)
    errored = ended.filter(status__in=(RunStatus.ERRORED, RunStatus.LOST)).count()
    count = ended.count()
    return [
        Figure(
            "Rollback", max(backs, default=None), "seconds", len(backs),
            f"{DEPLOYMENTS}?kind__exact=rollback", "the slowest, from the request to its end", 300,
        ),
        Figure(
            "Deployment success", good / len(found) if found else None, "share", len(found),
            DEPLOYMENTS, "of what was applied", 0.95, at_least=True,
        ),
        Figure(
            "Error rate", errored / count if count else None, "share", count,
            "/admin/deployments/run/?status__exact=errored",
            "plans in which we broke", 0.01,
        ),
        setup(actor),
        suite(),
        served("API answer, p95", "api/", 0.2),
        served("Page, p95", "admin/", 2.0),
    ]  # fmt: skip


def setup(actor: Actor) -> Figure:
    """From `make run` on a fresh clone until the portal answered, as the start recorded it."""
    rows = AuditEvent.objects.filter(event=STARTED).order_by("pk")
    first = rows.values_list("detail__seconds", flat=True).first()
    words = "the first start, until the portal answered"
    if first is None:
        words = "no first start is recorded: make run does, on a fresh installation"
    # Whom the record is refused is led nowhere.
    reads = any(may(actor, "view_audit", place) for _, place in actor.grants)
    link = f"/admin/audit/auditevent/?q={STARTED}" if reads else ""
    return Figure("Setup", first, "seconds", int(first is not None), link, words, 300)


def suite() -> Figure:
    """How long the tests took, as the newest evidence that says so tells it."""
    rows = Evidence.objects.filter(kind=EvidenceKind.TESTS, seconds__isnull=False)
    lately = rows.filter(at__gt=timezone.now() - timedelta(days=DAYS)).order_by("-pk")
    found = list(lately.values_list("who", "seconds"))
    words = "nobody has reported how long: manage.py report_evidence tests … --seconds does"
    if found:
        words = f"as {found[0][0]} reported with the newest evidence"
    link = f"/admin/deployments/evidence/?kind__exact={EvidenceKind.TESTS}"
    seconds = found[0][1] if found else None
    return Figure("Tests", seconds, "seconds", len(found), link, words, 60)


def served(name: str, prefix: str, goal: float) -> Figure:
    """Answers of the web process that shows the page, long polls left out."""
    found = answered(prefix)
    if found is None:
        return Figure(name, None, "seconds", 0, "/metrics", "no web process tells", goal)
    words = f"answers of this web process since {found.since:%d %b %H:%M} UTC; by route in /metrics"
    return Figure(name, found.p95, "seconds", found.count, "/metrics", words, goal)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
