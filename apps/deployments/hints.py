"""The hint to a worker that a run is queued. It may be lost: the sweeper looks."""

from __future__ import annotations

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerAway

from apps.deployments.models import Run
from apps.deployments.tasks import start_run

log = structlog.get_logger(__name__)


def hint(run: Run) -> None:
    """Tells the workers after commit. A broker that is away costs seconds: the sweeper looks."""

    def send() -> None:
        try:
            start_run.delay(run.pk)
        except (OSError, BrokerAway) as error:
            log.warning("hint.lost", run=run.pk, reason=str(error))

    transaction.on_commit(send, robust=True)
