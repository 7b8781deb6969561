"""Bringing the revision that is verified below one environment up."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import Actor, check
from apps.deployments import promotions
from apps.deployments.choices import Kind
from apps.deployments.models import Deployment
from apps.deployments.reasons import check_reason
from apps.deployments.services.requesting import open_deployment
from apps.environments.lookup import find_environment


def promote(
    actor: Actor, *, environment: str, source: str, reason: str = "", supersede: bool = False
) -> Deployment:
    """
    Plans exactly the revision that is verified in `source` for `environment`: its commit, its
    program tree, under the configuration of the environment.

    Raises Refused (`promotion.order`, `promotion.not_verified`, `promotion.not_kept`,
    `deployment.blocked`, `deployment.under_way`), NotFound (`environment.unknown`), Forbidden.
    """
    above, below = find_environment(actor, environment), find_environment(actor, source)
    check(actor, "deploy", environment)
    check_reason(reason)
    found = promotions.look_at(below, above)
    with transaction.atomic():
        row = open_deployment(
            actor,
            place=above,
            supersede=supersede,
            fields={
                "kind": Kind.DEPLOY,
                "reason": reason.strip() or f"promoted from {source}",
                "revision": found.revision,
                "promoted_from": found.brings,
                "promotion": found.document(),
            },
        )
        record(
            actor,
            "deployments.promotion.requested",
            row,
            environment=environment,
            source=source,
            brings=found.brings.pk,
            commit=found.identity.commit,
            program_digest=found.identity.program_digest,
        )
    return row
