"""REST: who holds which role where. Admins only; nobody gives themselves one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.choices import Role
from apps.accounts.models import RoleBinding, Token
from apps.accounts.places import places_to_manage
from apps.core.api import Input, ReadOnlyViewSet
from apps.core.errors import Invalid
from apps.core.permissions import EVERYWHERE, check


class RoleSerializer(serializers.ModelSerializer[RoleBinding]):
    user = serializers.CharField(source="user.username", allow_null=True, default=None)
    token = serializers.CharField(
        source="token.key", allow_null=True, default=None, help_text="The key of a token."
    )
    environment = serializers.CharField(help_text="A slug, or * for all.")

    class Meta:
        model = RoleBinding
        fields = ["id", "user", "token", "role", "environment", "granted_by", "created_at"]


class RoleInput(Input):
    user = serializers.CharField(required=False, max_length=150, help_text="A person's name.")
    token = serializers.CharField(required=False, max_length=16, help_text="A token's key.")
    role = serializers.ChoiceField(choices=Role.choices)
    environment = serializers.CharField(max_length=50, help_text="A slug, or * for all.")


class RoleViewSet(ReadOnlyViewSet[RoleBinding]):
    """Roles of people and tokens, where the actor may give them."""

    queryset = RoleBinding.objects.select_related("user", "token__user")
    serializer_class = RoleSerializer
    filters: ClassVar[dict[str, str]] = {
        "user": "user__username",
        "token": "token__key",
        "role": "role",
        "environment": "environment",
    }
    lookup_value_regex = r"\d{1,18}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not places_to_manage(self.actor):
            check(self.actor, "manage_access", EVERYWHERE)

    @extend_schema(request=RoleInput, responses={201: RoleSerializer})
    def create(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Gives a person or a token a role; giving it twice answers the one there is."""
        body = self.body(RoleInput)
        holder = _holder(body.pop("user", None), body.pop("token", None))
        row = services.grant_role(actor=self.actor, **holder, **body)
        return Response(RoleSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Takes the role away."""
        services.revoke_role(actor=self.actor, binding=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _holder(user: str | None, token: str | None) -> dict[str, Any]:
    """The row that is meant. Raises Invalid (`role.holder`) naming the field."""
    if (user is None) == (token is None):
        text = "Give user or token, one of them."
        raise Invalid("role.holder", text, errors={"user": text})
    found: User | Token | None
    if user is not None:
        name, given, found = "user", user, User.objects.filter(username=user).first()
    else:
        name, given, found = "token", token or "", Token.objects.filter(key=token).first()
    if found is None:
        text = f"There is no {'person' if name == 'user' else name} {given}."
        raise Invalid("role.holder", text, errors={name: text})
    return {name: found}
