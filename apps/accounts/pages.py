"""A person's page: their roles, where each comes from, and their tokens."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.asking import deeds_of
from apps.accounts.choices import Role
from apps.accounts.models import RoleBinding, Token
from apps.accounts.places import places_to_manage
from apps.core.api import actor_of
from apps.core.confirming import why_not
from apps.core.permissions import EVERYWHERE, Actor


@dataclasses.dataclass(frozen=True)
class HeldRole:
    """One role of a person, or of one of their tokens (`through`), and where it comes from."""

    role: Role
    place: str
    source: str
    since: datetime | None
    deeds: str
    through: str = ""
    binding: int | None = None
    # May the one who looks take it away.
    revocable: bool = False


def roles_of(user: User, actor: Actor) -> list[HeldRole]:
    """What the person holds; the tokens' own roles, which narrow, at the end."""
    managed = set(places_to_manage(actor))
    found = []
    if user.is_superuser:
        source = "superuser of this installation"
        found.append(
            HeldRole(Role.ADMIN, "everywhere", source, user.date_joined, deeds_of(Role.ADMIN))
        )
    own = RoleBinding.objects.filter(user=user)
    through = RoleBinding.objects.filter(token__user=user, token__revoked_at=None)
    rows = (own | through).select_related("token__user", "user").order_by("token_id", "pk")
    found += [_held(row, revocable=row.environment in managed) for row in rows]
    return found


def _held(row: RoleBinding, *, revocable: bool) -> HeldRole:
    return HeldRole(
        role=Role(row.role),
        place=row.place,
        source=f"granted by {row.granted_by}"
        if row.granted_by
        else "granted, nobody noted by whom",
        since=row.created_at,
        deeds=deeds_of(Role(row.role)),
        through=row.token.name if row.token else "",
        binding=row.pk,
        revocable=revocable,
    )


def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One's own page, or for whoever may give roles somewhere, anybody's."""
    actor = actor_of(request)
    user = User.objects.filter(pk=pk).first()
    managed = places_to_manage(actor)
    if user is None or not (managed or user.pk == actor.user_id):
        raise Http404
    is_self = user.pk == actor.user_id
    context: dict[str, Any] = {
        "title": user.get_username(),
        "person": user,
        "is_self": is_self,
        "roles": roles_of(user, actor),
        "tokens": list(Token.objects.filter(user=user).order_by("-pk")[:50]),
        "may_grant": bool(managed) and not is_self,
        "may_narrow": bool(managed),
        "may_end_tokens": is_self or EVERYWHERE in managed,
        "refusal": None if managed else why_not(actor, "manage_access", EVERYWHERE),
        "may_edit": request.user.is_superuser,
    }
    return render(request, "accounts/person.html", {**admin.site.each_context(request), **context})


def own_page(request: HttpRequest) -> HttpResponse:
    """Where the menu's *Your roles* leads."""
    return HttpResponseRedirect(reverse("admin:person", args=[request.user.pk]))
