"""From a person or a token to the actor that every verb asks for."""

from __future__ import annotations

from typing import Any

from apps.accounts.choices import Role
from apps.accounts.models import RoleBinding, Token
from apps.core.permissions import EVERYWHERE, NOBODY, Actor


def actor_for_user(user: Any) -> Actor:
    """A superuser is an admin everywhere; everybody else has their bindings."""
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    grants = set(RoleBinding.objects.filter(user=user).values_list("role", "environment"))
    if user.is_superuser:
        grants.add((Role.ADMIN.value, EVERYWHERE))
    return Actor(
        kind="user",
        id=user.pk,
        name=user.get_username(),
        grants=frozenset(grants),
        user_id=user.pk,
    )


def actor_for_token(token: Token) -> Actor:
    """The token's own bindings narrow its owner's: a role counts while the owner has it."""
    owner = actor_for_user(token.user)
    own = set(token.roles.values_list("role", "environment"))
    grants = (
        {(role, place) for role, place in own if role in owner.roles_in(place)}
        if own
        else set(owner.grants)
    )
    return Actor(
        kind="token",
        id=token.pk,
        name=f"{token.user.get_username()}/{token.name}",
        grants=frozenset(grants),
        scopes=frozenset(token.scopes),
        user_id=token.user_id,
    )
