"""People, roles and tokens. Only admins look at other people's; every change is a verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts import asking, services
from apps.accounts.models import RoleBinding, Token
from apps.core.admin import PortalModelAdmin
from apps.core.api import actor_of
from apps.core.confirming import confirm
from apps.core.permissions import Actor, may
from apps.core.templatetags.portal import at

Given = Mapping[str, str]


def number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


@admin.register(Token)
class TokenAdmin(PortalModelAdmin):
    list_display = ("name", "key", "user", "scopes", "created", "last_used", "expires", "end")
    fields = ("name", "key", "user", "scopes", "created_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    head = "Keys for programs. A token's text is shown once, when it is made."
    empty = "Create a token with the button above, or with manage.py create_token."
    tools = (("admin:accounts_token_create", "Create a token…"),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        return Token.objects.select_related("user").visible_to(actor_of(request))

    def has_view_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Everybody has a list of their own tokens, and may end them."""
        return actor_of(request).kind == "user"

    @admin.display(description="Made", ordering="created_at")
    def created(self, row: Token) -> str:
        return at(row.created_at)

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, row: Token) -> str:
        return at(row.last_used_at) if row.last_used_at else "never"

    @admin.display(description="Ends", ordering="expires_at")
    def expires(self, row: Token) -> str:
        if row.revoked_at:
            return "revoked"
        return at(row.expires_at) if row.expires_at else "never"

    @admin.display(description="Revoke")
    def end(self, row: Token) -> SafeString | str:
        if row.revoked_at:
            return "done"
        address = reverse("admin:accounts_token_revoke", args=[row.pk])
        return format_html('<a href="{}">Revoke {}…</a>', address, row.name)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("create/", wrap(self.create), name="accounts_token_create"),
            path("<int:pk>/revoke/", wrap(self.revoke), name="accounts_token_revoke"),
        ]
        return [*own, *super().get_urls()]

    def create(self, request: HttpRequest) -> HttpResponse:
        everybody = may(actor_of(request), "manage_access")
        back = reverse("admin:accounts_token_changelist")

        def act(actor: Actor, given: Given) -> HttpResponse:
            key = number(given.get("user", "")) if everybody else actor.user_id
            days = given.get("days", "").strip()
            token, text = services.create_token(
                actor=actor,
                user=get_object_or_404(User, pk=key, is_active=True),
                name=given.get("name", ""),
                scopes=asking.scopes_of(given.get("scopes", "")),
                # What is no number is none from 1 up, and the verb says so.
                days=(number(days) or 0) if days else None,
            )
            context = {"title": "Token", "token": token, "text": text}
            frame = self.admin_site.each_context(request)
            answer = render(request, "accounts/token_made.html", {**frame, **context})
            answer["Cache-Control"] = "no-store"
            return answer

        page = asking.to_create_token(actor_of(request), back, everybody=everybody)
        return confirm(request, page, None, act)

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse("admin:accounts_token_changelist")

        def act(actor: Actor, _given: Given) -> str:
            services.revoke_token(actor=actor, token=row)
            return back

        return confirm(request, asking.to_revoke_token(row, back), None, act)


@admin.register(RoleBinding)
class RoleBindingAdmin(PortalModelAdmin):
    list_display = ("held_by", "role", "where", "source", "created", "end")
    fields = ("held_by", "role", "where", "source", "created")
    readonly_fields = fields
    list_filter = ("role",)
    list_select_related = ("user", "token__user")
    view_action = "manage_access"
    plural = "Roles"
    head = "Who holds which role, and where. A superuser is an admin everywhere."
    empty = "Without a role a person sees nothing."
    tools = (("admin:accounts_rolebinding_grant", "Give a role…"),)

    @admin.display(description="Holder")
    def held_by(self, row: RoleBinding) -> str:
        return row.holder

    @admin.display(description="Where", ordering="environment")
    def where(self, row: RoleBinding) -> str:
        return row.place

    @admin.display(description="Granted by", ordering="granted_by")
    def source(self, row: RoleBinding) -> str:
        return row.granted_by or "not noted"

    @admin.display(description="Since", ordering="created_at")
    def created(self, row: RoleBinding) -> str:
        return at(row.created_at)

    @admin.display(description="Revoke")
    def end(self, row: RoleBinding) -> SafeString:
        address = reverse("admin:accounts_rolebinding_revoke", args=[row.pk])
        return format_html('<a href="{}">Revoke {}…</a>', address, row.role)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("grant/", wrap(self.grant), name="accounts_rolebinding_grant"),
            path("<int:pk>/revoke/", wrap(self.revoke), name="accounts_rolebinding_revoke"),
        ]
        return [*own, *super().get_urls()]

    def grant(self, request: HttpRequest) -> HttpResponse:
        """To a person (`?user=`), a token (`?token=`), or a person to be chosen."""
        holder = self._holder(request)
        back = reverse("admin:accounts_rolebinding_changelist")
        if isinstance(holder.get("user"), User):
            back = asking.page_of(holder["user"].pk)

        def act(actor: Actor, given: Given) -> str:
            chosen = holder or {"user": get_object_or_404(User, pk=number(given.get("user", "")))}
            place = given.get("environment", "")
            services.grant_role(
                actor=actor, role=given.get("role", ""), environment=place, **chosen
            )
            return back

        words = " ".join(map(str, holder.values()))
        page = asking.to_grant(actor_of(request), holder=words, back=back)
        return confirm(request, page, None, act)

    def _holder(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_module_permission(request):
            raise Http404
        for name, kind in (("user", User), ("token", Token)):
            if name in request.GET:
                return {name: get_object_or_404(kind, pk=number(request.GET[name]))}
        return {}

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(request).select_related("user", "token"), pk=pk)
        back = reverse("admin:accounts_rolebinding_changelist")
        if row.user_id:
            back = asking.page_of(row.user_id)

        def act(actor: Actor, _given: Given) -> str:
            services.revoke_role(actor=actor, binding=row)
            return back

        return confirm(request, asking.to_revoke(actor_of(request), row, back), None, act)
