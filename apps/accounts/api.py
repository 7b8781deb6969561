"""REST: who am I, and my tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import services
from apps.accounts.choices import Scope
from apps.accounts.models import Token
from apps.core.api import Input, ReadOnlyViewSet, actor_of


class GrantSerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    environment = serializers.CharField(help_text="A slug, or * for all.")


class MeSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["user", "token"])
    name = serializers.CharField()
    user = serializers.CharField()
    roles = GrantSerializer(many=True)
    scopes = serializers.ListField(child=serializers.CharField())


class MeView(APIView):
    """Who am I, with which roles where."""

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        roles = [{"role": role, "environment": place} for role, place in sorted(actor.grants)]
        return Response(
            {
                "kind": actor.kind,
                "name": actor.name,
                "user": request.user.get_username(),
                "roles": roles,
                "scopes": sorted(actor.scopes),
            }
        )


class TokenSerializer(serializers.ModelSerializer[Token]):
    user = serializers.CharField(source="user.get_username", read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Token
        fields = [
            "id", "name", "key", "user", "scopes", "created_at", "expires_at", "revoked_at",
            "last_used_at",
        ]  # fmt: skip


class NewTokenSerializer(TokenSerializer):
    """The only answer that holds the text."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class TokenInput(Input):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), min_length=1, max_length=2
    )
    days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=services.LONGEST_TOKEN_DAYS
    )


class TokenViewSet(ReadOnlyViewSet[Token]):
    """One's own tokens; an admin sees everybody's."""

    queryset = Token.objects.select_related("user")
    serializer_class = TokenSerializer
    filters: ClassVar[dict[str, str]] = {"user": "user__username", "name": "name"}
    lookup_value_regex = r"\d{1,18}"

    @extend_schema(request=TokenInput, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Makes a token for oneself; its text is in this answer and nowhere else."""
        assert isinstance(request.user, User)
        body = self.body(TokenInput)
        token, text = services.create_token(actor=self.actor, user=request.user, **body)
        token.token = text  # type: ignore[attr-defined]  # for this one answer
        return Response(NewTokenSerializer(token).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Revokes the token; the row stays."""
        services.revoke_token(actor=self.actor, token=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
