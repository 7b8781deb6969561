"""Verbs over people and their access."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, User
from django.db import transaction
from django.utils import timezone

from apps.accounts.choices import Role, Scope
from apps.accounts.models import RoleBinding, Token
from apps.accounts.places import check_place
from apps.accounts.tokens import new_token_text
from apps.audit import services as audit
from apps.core.errors import Forbidden, Invalid, Refused
from apps.core.permissions import EVERYWHERE, Actor, check

# 128 bits; 22 characters that a terminal copies with one double click.
PASSWORD_BYTES = 16
LONGEST_TOKEN_DAYS = 3650


def create_administrator(*, actor: Actor, username: str = "admin") -> tuple[AbstractUser, str]:
    """
    Makes the first administrator with a random password, and returns both: the password is stored
    as its hash only. Refused with `administrator.exists` once there is one.
    """
    check(actor, "manage_access")
    users = get_user_model().objects
    with transaction.atomic():
        existing = users.filter(is_superuser=True).order_by("pk").first()
        if existing is not None:
            raise Refused(
                "administrator.exists",
                f"There is an administrator already: {existing.get_username()}.",
                next_step="For a new password: manage.py changepassword"
                f" {existing.get_username()}.",
            )
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = users.create_superuser(username=username, email="", password=password)
        RoleBinding.objects.create(user=user, role=Role.ADMIN, granted_by=actor.name)
        audit.record(actor, "accounts.administrator.created", user)
    return user, password


def grant_role(
    *,
    actor: Actor,
    role: str,
    user: User | None = None,
    token: Token | None = None,
    environment: str = EVERYWHERE,
) -> RoleBinding:
    """
    Gives a person or a token a role in one environment (by slug) or everywhere. Giving it twice is
    fine. Raises Forbidden (`access.own_role`: nobody gives themselves one), NotFound
    (`environment.unknown`), Invalid (`role.unknown`, `role.holder`).
    """
    check(actor, "manage_access", environment)
    _refuse_tokens(actor)
    if (user is None) == (token is None):
        text = "A role has one holder: a person or a token."
        raise Invalid("role.holder", text, errors={"user": text})
    if role not in Role.values:
        text = f"There is no role {role}. There are {', '.join(Role.values)}."
        raise Invalid("role.unknown", text, errors={"role": text})
    check_place(environment)
    if user is not None and user.pk == actor.user_id:
        raise Forbidden(
            "access.own_role",
            "Nobody gives themselves a role.",
            next_step="Another admin can give it to you.",
        )
    with transaction.atomic():
        binding, made = RoleBinding.objects.get_or_create(
            user=user,
            token=token,
            role=role,
            environment=environment,
            defaults={"granted_by": actor.name},
        )
        if made:
            audit.record(
                actor, "accounts.role.granted", user or token, environment=_place(environment),
                name=binding.holder, role=role, place=environment,
            )  # fmt: skip
    return binding


def revoke_role(*, actor: Actor, binding: RoleBinding) -> None:
    """
    Takes a role away; open sockets and pages lose it within seconds. Doing it twice changes
    nothing. Raises Refused (`access.last_admin`) where nobody could give roles any more.
    """
    check(actor, "manage_access", binding.environment)
    _refuse_tokens(actor)
    with transaction.atomic():
        if _is_last_admin(binding):
            raise Refused(
                "access.last_admin",
                f"{binding.holder} is the last admin everywhere; nobody could give roles any more.",
                next_step="Make somebody else an admin first.",
            )
        deleted, _ = RoleBinding.objects.filter(pk=binding.pk).delete()
        if deleted:
            audit.record(
                actor, "accounts.role.revoked", binding.user or binding.token,
                environment=_place(binding.environment), name=binding.holder, role=binding.role,
                place=binding.environment,
            )  # fmt: skip


def create_token(
    *,
    actor: Actor,
    user: User,
    name: str,
    scopes: Sequence[str] = (Scope.READ, Scope.WRITE),
    days: int | None = None,
) -> tuple[Token, str]:
    """
    A key for programs, with its whole text, which is shown this once. A person makes their own;
    for somebody else it takes an admin. `days` None never ends.
    """
    _check_owner(actor, user.pk)
    _refuse_tokens(actor)
    wrong = sorted(set(scopes) - set(Scope.values))
    if wrong or not scopes:
        text = f"scopes are {' and '.join(Scope.values)}; at least one of them."
        raise Invalid("token.scopes", text, errors={"scopes": text})
    if days is not None and not 1 <= days <= LONGEST_TOKEN_DAYS:
        text = f"days is from 1 to {LONGEST_TOKEN_DAYS}."
        raise Invalid("token.days", text, errors={"days": text})
    if not name.strip() or len(name) > 80:
        text = "name says what the token is for, in 1 to 80 characters."
        raise Invalid("token.name", text, errors={"name": text})
    key, digest, text = new_token_text()
    ends = None if days is None else timezone.now() + timedelta(days=days)
    with transaction.atomic():
        token = Token.objects.create(
            user=user, name=name.strip(), key=key, digest=digest, scopes=sorted(scopes),
            expires_at=ends,
        )  # fmt: skip
        audit.record(actor, "accounts.token.created", token, scopes=token.scopes)
    return token, text


def revoke_token(*, actor: Actor, token: Token) -> Token:
    """Ends a token at once. Its row stays, for the record; doing it twice changes nothing."""
    _check_owner(actor, token.user_id)
    with transaction.atomic():
        now = timezone.now()
        if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
            audit.record(actor, "accounts.token.revoked", token)
            token.revoked_at = now
    return token


def _check_owner(actor: Actor, owner_id: int) -> None:
    """Own things need no role; other people's need an admin's."""
    if actor.user_id != owner_id or actor.kind == "nobody":
        check(actor, "manage_access")


def _is_last_admin(binding: RoleBinding) -> bool:
    """Whether no active person but this one could still give roles everywhere."""
    if binding.user_id is None or (binding.role, binding.environment) != (Role.ADMIN, EVERYWHERE):
        return False
    admins = RoleBinding.objects.filter(role=Role.ADMIN, environment=EVERYWHERE)
    # Two who revoke each other's take turns.
    keys = list(admins.exclude(user=None).select_for_update().values_list("pk", flat=True))
    others = admins.filter(pk__in=keys, user__is_active=True).exclude(pk=binding.pk)
    users = get_user_model().objects
    return not others.exists() and not users.filter(is_superuser=True, is_active=True).exists()


def _refuse_tokens(actor: Actor) -> None:
    if actor.kind == "token":
        raise Forbidden(
            "access.by_token",
            "A token neither makes tokens nor changes roles.",
            next_step="A person does this in the admin or with manage.py.",
        )


def _place(environment: str) -> str:
    return "" if environment == EVERYWHERE else environment
