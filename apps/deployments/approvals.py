"""Who may approve a plan, and why not. One answer for page, API, command and verb."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.core.permissions import Actor, may
from apps.deployments import git
from apps.deployments.choices import Decision, Kind
from apps.deployments.models import Approval, Deployment
from apps.deployments.revision import last_editor
from apps.environments.models import BaseSetting, Environment, ProgramSource

# Of a decision that was given and lets its plan begin no more.
EXPIRED, VOID = LAPSED = ("approval.expired", "approval.void")


@dataclasses.dataclass(frozen=True)
class Unfit:
    """Why somebody's approval would not count: message id and sentence."""

    code: str
    detail: str


def needed(deployment: Deployment) -> int:
    """Approvals by others that the environment asks for; 0: a confirmation is enough."""
    return int(deployment.environment.protection.required_approvals)


def right_to_apply(deployment: Deployment) -> str:
    """The action that a person needs: `approve` where approval is asked, else the deed itself."""
    if needed(deployment):
        return "approve"
    return "destroy" if deployment.kind == Kind.DESTROY else "deploy"


def asks_typed_confirmation(deployment: Deployment) -> bool:
    """Tier production, destroy and restore anywhere, and where the environment's rules say so."""
    environment = deployment.environment
    return (
        environment.is_production
        or deployment.kind in (Kind.DESTROY, Kind.IMPORT)
        or environment.protection.typed_confirmation
    )


def unfit(actor: Actor, deployment: Deployment) -> Unfit | None:
    """Why this actor's approval would not count; None when it would. Superusers are not exempt."""
    slug = deployment.environment.slug
    if not needed(deployment):
        return None
    if actor.kind != "user":
        return Unfit("approval.person_needed", f"{slug} asks for a person's approval.")
    if actor.user_id == deployment.requested_by_id:
        return Unfit(
            "approval.own",
            f"You requested it. In {slug} another person approves, superusers included.",
        )
    editors = last_editors(deployment.environment)
    if actor.user_id in editors:
        return Unfit(
            "approval.editor",
            f"You last edited {editors[actor.user_id]} of {slug}; another person approves.",
        )
    if _edited_program(actor, deployment):
        return Unfit(
            "approval.editor",
            "You made the last change of the program that this deploys; another person approves.",
        )
    if standing(deployment).filter(by_id=actor.user_id).exists():
        return Unfit("approval.given", "You have approved this plan; a person counts once.")
    return None


def _edited_program(actor: Actor, deployment: Deployment) -> bool:
    """By the author's mail of the commit: that is all a checkout knows of people."""
    commit, place = str(deployment.revision.get("commit") or ""), deployment.revision.get("program")
    mail = git.author_of(**place, commit=commit) if place else last_editor(commit)
    if not mail or actor.user_id is None:
        return False
    return get_user_model().objects.filter(pk=actor.user_id, email__iexact=mail).exists()


def last_editors(environment: Environment) -> dict[int | None, str]:
    """User id → what they edited last: the newest setting, own or of the base, and secret."""
    found: dict[int | None, str] = {}
    setting = environment.settings.order_by("-changed_at", "-pk").first()
    if setting is not None and setting.changed_by_id is not None:
        found[setting.changed_by_id] = f"the setting {setting.key}"
    base = BaseSetting.objects.order_by("-changed_at", "-pk").first()
    if base is not None and base.changed_by_id is not None:
        found.setdefault(base.changed_by_id, f"the setting {base.key} that all inherit")
    source = ProgramSource.objects.filter(environment=environment).first()
    if source is not None and source.changed_by_id is not None:
        found.setdefault(source.changed_by_id, "the program source")
    secret = environment.secrets.order_by("-set_at", "-pk").first()
    if secret is not None and secret.set_by_id is not None:
        found[secret.set_by_id] = f"the secret {secret.key}"
    return found


def holds_for(deployment: Deployment) -> timedelta:
    """How long a plan waits for people, and how long what they decided lets it begin."""
    return timedelta(hours=deployment.environment.protection.approval_hours)


def unvoided(deployment: Deployment) -> models.QuerySet[Approval]:
    """Approvals of the plan as it is now that nobody has voided, however old."""
    return Approval.objects.filter(
        deployment=deployment,
        decision=Decision.APPROVED,
        fingerprint=deployment.fingerprint,
        voided_at__isnull=True,
    )


def standing(deployment: Deployment) -> models.QuerySet[Approval]:
    """Those of them that have not expired."""
    return unvoided(deployment).filter(at__gt=timezone.now() - holds_for(deployment))


def counting(deployment: Deployment) -> list[Approval]:
    """Those of them whose giver still has the right: losing the role voids."""
    given = list(standing(deployment))
    users = get_user_model().objects.in_bulk([row.by_id for row in given if row.by_id is not None])
    slug = deployment.environment.slug
    return [
        row
        for row in given
        if row.by_id in users and may(actor_for_user(users[row.by_id]), "approve", slug)
    ]


def is_given(deployment: Deployment) -> bool:
    """Whether the plan as it is now may be applied, as far as people are concerned."""
    given = standing(deployment)
    if given.filter(break_glass=True).exists():
        return True
    asked = needed(deployment)
    return len(counting(deployment)) >= asked if asked else given.exists()


def given_until(deployment: Deployment) -> datetime | None:
    """When the decision lapses that lets the plan begin; None where none was given."""
    if not is_given(deployment):
        return None
    broken = standing(deployment).filter(break_glass=True)
    asked = needed(deployment)
    rows = [*broken] or (counting(deployment) if asked else [*standing(deployment)])
    newest = sorted((row.at for row in rows), reverse=True)
    # With two needed it holds as long as the second newest does.
    deciding = newest[0 if broken or not asked else asked - 1]
    return deciding + holds_for(deployment)


def lapsed(deployment: Deployment) -> Unfit | None:
    """Why a decision that was given lets the plan begin no more; None while it does."""
    if is_given(deployment):
        return None
    hours = deployment.environment.protection.approval_hours
    old = unvoided(deployment).exclude(pk__in=standing(deployment).values("pk")).first()
    if old is not None:
        what = "approval" if needed(deployment) else "confirmation"
        return Unfit(
            EXPIRED,
            f"The {what} by {old.by} of {old.at:%Y-%m-%d %H:%M} UTC expired after"
            f" {hours} hours, before deployment {deployment.pk} could begin.",
        )
    names = sorted({row.by for row in unvoided(deployment)}) or ["nobody"]
    return Unfit(
        VOID,
        f"What {' and '.join(names)} approved counts no more: {deployment.environment.slug} asks"
        f" for {needed(deployment)} approval(s) by others who still may.",
    )


def void_expired(deployment: Deployment) -> None:
    """Those who approved too long ago may decide once more. Void since they expired."""
    hours = holds_for(deployment)
    for row in unvoided(deployment).filter(at__lte=timezone.now() - hours):
        Approval.objects.filter(pk=row.pk).update(voided_at=row.at + hours)
