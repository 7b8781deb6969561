"""What people and programs say of a revision: evidence, rejection, and its lifting."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import Forbidden, Invalid, NotFound, Refused
from apps.core.permissions import Actor, check, may
from apps.deployments.choices import DEPLOYMENT_OPEN, EvidenceResult
from apps.deployments.identity import Identity, deployments_about, rejection_of
from apps.deployments.models import Evidence, RejectedRevision
from apps.environments.choices import EvidenceKind
from apps.live.services import announce

LINK = URLValidator(schemes=["http", "https"])
LONGEST_REASON = 300


def report_evidence(  # noqa: PLR0913 - one finding in its parts, each said by name
    actor: Actor,
    *,
    revision: Identity,
    kind: str,
    result: str,
    who: str = "",
    link: str = "",
    comment: str = "",
    at: datetime | None = None,
    seconds: float | None = None,
) -> Evidence:
    """
    One finding about one revision, by `who` (the actor, unless an admin's program tells another's),
    and how many seconds it took. A later one of the same person takes its place. Raises Forbidden
    (`evidence.not_yours`), Invalid (`evidence.malformed`).
    """
    _check_everywhere(actor, "report_evidence")
    _check_evidence(kind, result, link, at)
    finder = _finder(actor, who.strip())
    with transaction.atomic():
        row = Evidence.objects.create(
            kind=kind,
            result=result,
            commit=revision.commit,
            program_digest=revision.program_digest,
            who=finder,
            reported_by=actor.name,
            reported_by_kind=actor.kind,
            link=link,
            comment=comment[:500],
            at=at or timezone.now(),
            seconds=seconds,
        )
        record(
            actor,
            "deployments.evidence.reported",
            row,
            kind=str(kind),
            result=str(result),
            commit=row.commit,
            program_digest=row.program_digest,
            who=finder,
            link=link,
        )
        _tell(revision, "evidence.reported")
    return row


def reject_revision(actor: Actor, *, revision: Identity, reason: str) -> RejectedRevision:
    """
    From now on nobody deploys or promotes it anywhere. What has it already keeps it until it is
    deployed or rolled back. Raises Invalid (`reason.missing`), Refused (`revision.is_rejected`).
    """
    _check_everywhere(actor, "reject_revision")
    reason = _reason(reason, "Rejecting a revision needs a reason; others will read it.")
    if standing := rejection_of(revision):
        raise _already(standing)
    with transaction.atomic():
        try:
            with transaction.atomic():
                row = RejectedRevision.objects.create(
                    commit=revision.commit,
                    program_digest=revision.program_digest,
                    reason=reason,
                    rejected_by=actor.name,
                )
        except IntegrityError as error:
            standing = rejection_of(revision)
            raise _already(standing) if standing else error from error
        record(
            actor,
            "deployments.revision.rejected",
            row,
            commit=row.commit,
            program_digest=row.program_digest,
            reason=reason,
        )
        _tell(revision, "revision.rejected")
    return row


def lift_rejection(actor: Actor, *, rejection: int, reason: str) -> RejectedRevision:
    """The revision may go on again, under every other rule. Raises NotFound, Refused, Invalid."""
    rows = RejectedRevision.objects.visible_to(actor)
    row: RejectedRevision | None = rows.filter(pk=rejection).first()
    if row is None:
        raise NotFound(
            "rejection.unknown",
            f"There is no rejection {rejection}.",
            next_step="Choose one from the list of rejections.",
        )
    _check_everywhere(actor, "lift_rejection")
    reason = _reason(reason, "Lifting a rejection needs a reason; it stays in the history.")
    with transaction.atomic():
        lifted = RejectedRevision.objects.filter(pk=row.pk, lifted_at__isnull=True).update(
            lifted_at=timezone.now(), lifted_by=actor.name, lift_reason=reason
        )
        if not lifted:
            raise Refused(
                "rejection.lifted",
                f"Rejection {row.pk} is lifted already.",
                next_step="Deploy or promote the revision.",
            )
        record(actor, "deployments.revision.rejection_lifted", row, reason=reason)
        _tell(Identity(row.commit, row.program_digest), "revision.rejection_lifted")
    row.refresh_from_db()
    return row


def _check_everywhere(actor: Actor, action: str) -> None:
    """What is said of a revision holds in every environment, and so must the right."""
    if not may(actor, action) and actor.grants:
        held = ", ".join(sorted(f"{role} in {place}" for role, place in actor.grants))
        raise Forbidden(
            "permission.denied",
            f"A revision goes to every environment; your role is {held}."
            f" {action.replace('_', ' ').capitalize()} needs one that holds everywhere.",
            next_step="An admin can give you the role.",
        )
    check(actor, action)


def _check_evidence(kind: str, result: str, link: str, at: datetime | None) -> None:
    errors = {}
    if kind not in EvidenceKind.values:
        errors["kind"] = f"One of {', '.join(EvidenceKind.values)}."
    if result not in EvidenceResult.values:
        errors["result"] = f"One of {', '.join(EvidenceResult.values)}."
    if link:
        try:
            LINK(link)
        except ValidationError:
            errors["link"] = "An address that begins with https:// or http://."
    if at is not None and at > timezone.now():
        errors["at"] = "A time that is over."
    if errors:
        raise Invalid(
            "evidence.malformed", f"Not usable: {', '.join(sorted(errors))}.", errors=errors
        )


def _finder(actor: Actor, who: str) -> str:
    """People speak for themselves; only an admin's program tells what others found."""
    if not who or who == actor.name:
        return actor.name
    if actor.kind != "user" and may(actor, "manage_access"):
        return who
    raise Forbidden(
        "evidence.not_yours",
        f"{actor.name} may report what {actor.name} found, not what {who} did.",
        next_step="They report it themselves, or a token with the role admin does.",
    )


def _reason(reason: str, missing: str) -> str:
    reason = reason.strip()
    if not reason:
        raise Invalid("reason.missing", missing, errors={"reason": "Say why."})
    if len(reason) > LONGEST_REASON:
        raise Invalid(
            "reason.too_long",
            f"The reason has {len(reason)} characters; {LONGEST_REASON} fit.",
            errors={"reason": f"At most {LONGEST_REASON} characters."},
        )
    return reason


def _already(row: RejectedRevision) -> Refused:
    return Refused(
        "revision.is_rejected",
        f"Rejected already, by {row.rejected_by}: {row.reason}",
        next_step=f"Rejection {row.pk} holds until it is lifted.",
    )


def _tell(revision: Identity, kind: str) -> None:
    """The pages of deployments that it opens or blocks."""
    rows = deployments_about(revision).filter(status__in=DEPLOYMENT_OPEN)
    for row in rows.select_related("environment"):
        announce(f"deployment:{row.pk}", kind, deployment=row.pk, environment=row.environment.slug)
