"""The checks after an update: has what was deployed answered since?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.permissions import system
from apps.deployments.choices import DeploymentStatus, Operation, RunStatus, Verification
from apps.deployments.models import Deployment, Run
from apps.deployments.runner.progress import move
from apps.monitoring.choices import Health
from apps.monitoring.models import Check, CheckResult
from apps.monitoring.services import request_checks

PASSING = frozenset({Health.HEALTHY, Health.DEGRADED})


def checks_of(deployment: Deployment) -> list[Check]:
    """What counts: checks that came from a deployment, and gates."""
    counted = Q(source="deployment") | Q(is_gate=True)
    rows = Check.objects.enabled().filter(counted, environment=deployment.environment)
    return list(rows.order_by("name"))


def applied_run(deployment: Deployment) -> Run | None:
    """The last update of the deployment that succeeded."""
    rows = deployment.runs.filter(operation=Operation.UPDATE, status=RunStatus.SUCCEEDED)
    return rows.order_by("-pk").first()


def results_since(checks: list[Check], since: datetime) -> dict[int, CheckResult]:
    """The last look of each check after a time, by the check's id."""
    found: dict[int, CheckResult] = {}
    rows = CheckResult.objects.filter(check_row__in=checks, at__gt=since).order_by("pk")
    for result in rows:
        found[result.check_row_id] = result
    return found


def verify(deployment: Deployment) -> bool:
    """
    Ends the verification when it can be ended: every check passed since the update, or the time is
    over. False while it goes on.
    """
    run = applied_run(deployment)
    if run is None or run.finished_at is None:
        return False
    checks = checks_of(deployment)
    results = results_since(checks, run.finished_at)
    if len(checks) < expected_checks(run):
        silent = ["checks of the deployed servers are not registered"]
    else:
        silent = [check.name for check in checks if check.pk not in results]
    failing = [
        f"{check.name} ({results[check.pk].reason or results[check.pk].found})"
        for check in checks
        if check.pk in results and results[check.pk].found not in PASSING
    ]
    over = timezone.now() - run.finished_at > timedelta(seconds=settings.VERIFICATION_TIME_LIMIT)
    if (silent or failing) and not over:
        return False
    return _decide(deployment, len(checks), silent, failing)


def expected_checks(run: Run) -> int:
    """Every deployed server has a check of its own, once the receivers have heard of the run."""
    servers = run.outputs.get("mcp_servers")
    return len(servers) if isinstance(servers, list) else 0


def _decide(deployment: Deployment, count: int, silent: list[str], failing: list[str]) -> bool:
    with transaction.atomic():
        if failing:
            return move(
                deployment,
                DeploymentStatus.FAILED,
                verification=Verification.FAILED,
                status_code="verification.failed",
                status_reason=f"The update is applied but does not pass: {', '.join(failing)}.",
                status_next_step="Mend what the check names and deploy again, or roll back.",
            )
        if silent or not count:
            missing = ", ".join(silent) or "the environment has no check"
            return move(
                deployment,
                DeploymentStatus.SUCCEEDED,
                verification=Verification.INCONCLUSIVE,
                status_code="verification.inconclusive",
                status_reason=f"The update is applied; whether it is well is not known: {missing}.",
                status_next_step="Look at the environment's checks.",
            )
        return move(
            deployment,
            DeploymentStatus.SUCCEEDED,
            verification=Verification.PASSED,
            soak_until=soak_end(deployment),
            status_code="",
            status_reason=f"{count} of {count} checks passed.",
            status_next_step="",
        )


def soak_end(deployment: Deployment) -> datetime | None:
    """Until when a failing check takes `verified` away again; None where nobody asks for a soak."""
    minutes = deployment.environment.protection.soak_minutes
    return timezone.now() + timedelta(minutes=minutes) if minutes else None


def hasten(run: Run) -> None:
    """After an update, once the receivers have registered what it made: look now, not next time."""
    if run.operation == Operation.UPDATE and run.status == RunStatus.SUCCEEDED:
        request_checks(system(f"run {run.pk}"), environment=run.stack.environment.slug)
