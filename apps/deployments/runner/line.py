"""
The line before a stack: the deployments of one environment take turns, in the order of asking, but
rollbacks before all that only wait.

Who has the turn may be approved and applied. The others are planned when asked (a preview reads,
and waits for nobody), stand in line as `scheduled`, and are planned again when their turn comes:
what was applied before them made their plan stale.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.db import models, transaction
from django.utils import timezone

from apps.deployments.choices import DEPLOYMENT_UNDER_WAY, DeploymentStatus, Kind
from apps.deployments.models import Deployment
from apps.deployments.runner import progress
from apps.deployments.runner.announcing import announce_deployment, announce_run
from apps.environments.models import Environment, Stack

log = structlog.get_logger(__name__)
ROLLBACKS_FIRST = models.Case(
    models.When(kind=Kind.ROLLBACK, then=0), default=1, output_field=models.IntegerField()
)
# What has changed nothing yet.
WAITING = (
    DeploymentStatus.PLANNING,
    DeploymentStatus.AWAITING_APPROVAL,
    DeploymentStatus.SCHEDULED,
)
WORDS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


def under_way(environment: int) -> models.QuerySet[Deployment]:
    """Everything in the line of an environment: the one with the turn, then the others in order."""
    rows = Deployment.objects.filter(environment_id=environment, status__in=DEPLOYMENT_UNDER_WAY)
    return rows.select_related("environment").order_by(
        models.F("turn_at").asc(nulls_last=True), ROLLBACKS_FIRST, "pk"
    )


def holder(environment: int) -> Deployment | None:
    """Who has the turn."""
    return under_way(environment).filter(turn_at__isnull=False).first()


def enter(environment: Environment) -> bool:
    """
    Takes the stack's row, so that those who ask at once are put in an order, inside the caller's
    transaction. True when nobody is in line: who enters has the turn.
    """
    Stack.objects.select_for_update().get(environment=environment)
    return not under_way(environment.pk).exists()


def ahead_of(deployment: Deployment) -> Sequence[Deployment]:
    """Who must be done before it, in order; empty for who has the turn."""
    if deployment.turn_at is not None:
        return []
    before = models.Q(pk__lt=deployment.pk)
    if deployment.kind == Kind.ROLLBACK:
        before &= models.Q(kind=Kind.ROLLBACK)
    else:
        before |= models.Q(kind=Kind.ROLLBACK)
    rows = under_way(deployment.environment_id)
    return list(rows.filter(models.Q(turn_at__isnull=False) | before))


def gives_way(deployment: Deployment) -> bool:
    """Whether a rollback goes before it: it only waits, and is none itself."""
    return deployment.status in WAITING and deployment.kind != Kind.ROLLBACK


def overtaken_by_rollback(environment: int) -> Sequence[Deployment]:
    """Those that a rollback which is asked for now would go before."""
    return [row for row in under_way(environment) if gives_way(row)]


def described(deployment: Deployment) -> str:
    """Its status; of a rollback also what it leaves, since that is why it goes first."""
    status = deployment.get_status_display().lower()
    if deployment.kind != Kind.ROLLBACK:
        return status
    return f"rollback from the revision of deployment {deployment.rolls_back_id}, {status}"


def place_in_words(number: int) -> str:
    """`second`; from the tenth on `10th`."""
    return WORDS[number - 1] if number <= len(WORDS) else f"{number}th"


def give_turn(environment: int) -> bool:
    """
    Gives the turn to the first who waits, when nobody has it; what stood planned is planned again.
    Exactly one caller does it, however many try.
    """
    with transaction.atomic():
        Stack.objects.select_for_update().get(environment_id=environment)
        if holder(environment) is not None:
            return False
        first = under_way(environment).select_related("environment__stack").first()
        if first is None:
            return False
        now = timezone.now()
        rows = Deployment.objects.filter(pk=first.pk, status=first.status, turn_at=None)
        if not rows.update(turn_at=now):
            return False
        first.turn_at = now
        log.info("line.turn", deployment=first.pk, environment=first.environment.slug)
        if first.status != DeploymentStatus.SCHEDULED:
            announce_deployment(first)
            return True
        run = progress.plan_again(first, requested_by=first.requested_by)
        if run is not None:
            # No hint from here: the sweeper starts it within seconds.
            announce_run(run)
    return True


def give_turns() -> int:
    """For the sweeper: every line in which somebody waits and nobody has the turn."""
    rows = Deployment.objects.filter(status__in=DEPLOYMENT_UNDER_WAY)
    waiting = set(rows.filter(turn_at=None).values_list("environment_id", flat=True))
    busy = set(rows.filter(turn_at__isnull=False).values_list("environment_id", flat=True))
    return sum(map(give_turn, waiting - busy))
