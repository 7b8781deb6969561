"""After the verification the soak: a check that fails while it lasts takes `verified` away."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.permissions import system
from apps.deployments import rollbacks
from apps.deployments.choices import DeploymentStatus, Verification
from apps.deployments.models import Deployment
from apps.deployments.runner.announcing import announce_deployment
from apps.deployments.runner.verification import PASSING, checks_of, results_since
from apps.monitoring.choices import Health
from apps.monitoring.models import Check

WATCHER = system("soak")
# One look may be a hiccup; a health that has fallen took several.
NOT_FALLEN = PASSING | {Health.UNKNOWN, Health.SUSPECT}


def watch() -> int:
    """Every verified deployment whose soak goes on; how many lost it."""
    rows = Deployment.objects.filter(
        status=DeploymentStatus.SUCCEEDED,
        verification=Verification.PASSED,
        soak_until__gt=timezone.now(),
    )
    return sum(map(_look, rows.select_related("environment")))


def _look(deployment: Deployment) -> bool:
    # What has taken its place since is watched for itself.
    if rollbacks.current(deployment.environment) != deployment:
        return False
    fallen = fallen_checks(deployment)
    return revoke(deployment, fallen) if fallen else False


def fallen_checks(deployment: Deployment) -> list[Check]:
    """Checks that count, have fallen, and were seen failing after the verification."""
    assert deployment.finished_at is not None
    down = [check for check in checks_of(deployment) if check.health not in NOT_FALLEN]
    results = results_since(down, deployment.finished_at)
    return [check for check in down if check.pk in results and is_bad(results[check.pk].found)]


def is_bad(found: str) -> bool:
    return found not in PASSING


def revoke(deployment: Deployment, fallen: list[Check]) -> bool:
    """`verified` is taken away, once, with the reason at every door."""
    names = ", ".join(f"{check.name} ({check.health_reason or check.health})" for check in fallen)
    reason = f"It was verified, and failed while it soaked: {names}."
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, verification=Verification.PASSED)
        revoked = rows.update(
            verification=Verification.FAILED,
            status_code="verification.revoked",
            status_reason=reason,
            status_next_step="Mend what the check names and deploy again, or roll back.",
        )
        if not revoked:
            return False
        deployment.refresh_from_db()
        record(
            WATCHER,
            "deployments.verification.revoked",
            deployment,
            environment=deployment.environment.slug,
            reason=reason,
        )
        announce_deployment(deployment)
    return True
