"""What runs in each environment, as the first line of the matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Max

from apps.deployments.choices import DeploymentStatus, Kind
from apps.deployments.models import Deployment
from apps.environments.matrix import Fact, Line, matrix_lines
from apps.environments.models import Environment

DONE = (DeploymentStatus.SUCCEEDED, DeploymentStatus.UNCHANGED)


@matrix_lines("revision", order=0)
def revisions(places: Sequence[Environment]) -> Iterator[Line]:
    line = Line("Revision", "commit", compared=False)
    done = Deployment.objects.filter(environment__in=places, status__in=DONE).order_by()
    newest = done.values("environment").annotate(newest=Max("pk")).values("newest")
    rows = Deployment.objects.filter(pk__in=newest)
    for last in rows.only("environment_id", "revision", "kind", "finished_at"):
        commit = str(last.revision.get("commit") or "")
        if last.kind != Kind.DESTROY and commit:
            when = f"{last.finished_at:%Y-%m-%d %H:%M}" if last.finished_at else ""
            fact = Fact(commit, commit[:7], f"deployment {last.pk}, {when}")
            line.facts[last.environment_id] = fact
    yield line
