"""Bringing an earlier verified revision back, and letting go of the hold that this sets."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound, Refused
from apps.core.permissions import Actor, check
from apps.deployments import rollbacks
from apps.deployments.choices import Kind
from apps.deployments.keeping import pinned_revision
from apps.deployments.models import Deployment, Hold
from apps.deployments.reasons import check_reason
from apps.deployments.services.requesting import open_deployment
from apps.environments.lookup import find_environment
from apps.environments.models import Environment
from apps.live.services import announce


def roll_back(
    actor: Actor,
    *,
    environment: str,
    to: int | None = None,
    reason: str = "",
    supersede: bool = False,
) -> Deployment:
    """
    Plans the deployment of an earlier verified revision: its program, its settings, its secrets.
    `to` is the deployment to go back to, by default the newest on offer. What it leaves is held.

    Raises Invalid, Refused (`rollback.nothing_deployed`, `rollback.no_revision`,
    `deployment.under_way`), NotFound, Forbidden.
    """
    place = find_environment(actor, environment)
    check(actor, "deploy", environment)
    check_reason(reason)
    bad, target = _chosen(place, to)
    reason = reason.strip() or f"back to the revision of deployment {target.pk}"
    with transaction.atomic():
        row = open_deployment(
            actor,
            place=place,
            supersede=supersede,
            fields={
                "kind": Kind.ROLLBACK,
                "reason": reason,
                "revision": pinned_revision(target),
                "rolls_back": bad,
                "returns_to": target,
            },
        )
        record(
            actor,
            "deployments.rollback.requested",
            row,
            environment=environment,
            leaves=bad.pk,
            returns_to=target.pk,
        )
        _hold(actor, bad, reason)
    return row


def lift_hold(actor: Actor, *, hold: int, reason: str) -> Hold:
    """
    Lets automation, and the revision that was rolled back from, in again. Needs a person and a
    reason. Raises NotFound, Forbidden, Invalid (`reason.missing`), Refused (`hold.lifted`).
    """
    row = _find_hold(actor, hold)
    slug = row.environment.slug
    check(actor, "deploy", slug)
    if not reason.strip():
        raise Invalid(
            "reason.missing",
            "Lifting a hold needs a reason; it stays in the history.",
            errors={"reason": "Say what has changed since."},
        )
    check_reason(reason)
    with transaction.atomic():
        lifted = Hold.objects.standing().filter(pk=row.pk)
        fields = {"lifted_by": actor.name, "lift_reason": reason.strip()}
        if not lifted.update(lifted_at=timezone.now(), **fields):
            raise Refused(
                "hold.lifted",
                f"Hold {row.pk} was lifted already.",
                next_step=f"Deploy to {slug}; this hold stops nothing any more.",
            )
        record(actor, "deployments.hold.lifted", row, environment=slug, reason=reason)
        announce(f"environment:{slug}", "hold.lifted", hold=row.pk, environment=slug)
    row.refresh_from_db()
    return row


def _find_hold(actor: Actor, pk: int) -> Hold:
    """Raises NotFound, for a foreign environment's, too."""
    row = Hold.objects.select_related("environment", "deployment").filter(pk=pk).first()
    if row is None:
        raise NotFound(
            "hold.unknown",
            f"There is no hold {pk}.",
            next_step="Choose one from the list of holds.",
        )
    find_environment(actor, row.environment.slug)
    return row


def _chosen(place: Environment, to: int | None) -> tuple[Deployment, Deployment]:
    """What is left and what comes back. Raises Refused."""
    bad = rollbacks.current(place)
    if bad is None:
        raise Refused(
            "rollback.nothing_deployed",
            f"Nothing is deployed in {place.slug} that could be rolled back.",
            next_step="Deploy it instead.",
        )
    target = rollbacks.target_of(place, to)
    if target is not None:
        return bad, target
    offered = [str(found.deployment.pk) for found in rollbacks.candidates(place)]
    which = "No earlier" if to is None else f"Deployment {to} is no"
    raise Refused(
        "rollback.no_revision",
        f"{which} verified revision of {place.slug} that differs from what is there and was kept.",
        next_step=f"Choose one of deployments {', '.join(offered)}."
        if offered
        else "Mend the program or its settings, and deploy.",
    )


def _hold(actor: Actor, bad: Deployment, reason: str) -> None:
    """One hold for each revision, however often it is rolled back from."""
    place = bad.environment
    hold, is_new = Hold.objects.standing().get_or_create(
        environment=place,
        program_digest=bad.kept.program_digest,
        config_digest=bad.kept.config_digest,
        defaults={"deployment": bad, "reason": reason, "set_by": actor.name},
    )
    if is_new:
        record(actor, "deployments.hold.set", hold, environment=place.slug, deployment=bad.pk)
        announce(f"environment:{place.slug}", "hold.set", hold=hold.pk, environment=place.slug)
