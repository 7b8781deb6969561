"""What the sweeper finds due and only a verb may do."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.dispatch import receiver

from apps.audit.services import record
from apps.core.errors import PortalError
from apps.deployments.models import Deployment
from apps.deployments.runner.announcing import announce_deployment
from apps.deployments.runner.automatic import RETURNER
from apps.deployments.services import roll_back
from apps.deployments.signals import rollback_due

log = structlog.get_logger(__name__)


@receiver(rollback_due)
def begin_rollback(deployment: Deployment, **_: Any) -> None:
    """One try; a refusal stands on the failed deployment's page and in the record."""
    slug = deployment.environment.slug
    try:
        roll_back(
            RETURNER,
            environment=slug,
            reason=f"the verification of deployment {deployment.pk} failed",
        )
    except PortalError as error:
        with transaction.atomic():
            record(
                RETURNER,
                "deployments.rollback.not_begun",
                deployment,
                environment=slug,
                code=error.code,
                reason=error.detail,
            )
            Deployment.objects.filter(pk=deployment.pk).update(
                status_next_step=f"The automatic rollback did not begin: {error.text}"
            )
            announce_deployment(deployment)
        log.warning("rollback.not_begun", deployment=deployment.pk, code=error.code)
