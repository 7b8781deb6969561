"""REST: when changes to an environment are forbidden."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.core.errors import NotFound
from apps.environments.lookup import find_environment
from apps.environments.models import Environment, Freeze
from apps.environments.services import freeze_environment, lift_freeze


class FreezeSerializer(serializers.ModelSerializer[Freeze]):
    environment = serializers.CharField(source="environment.slug")

    class Meta:
        model = Freeze
        fields = [
            "id", "environment", "reason", "starts_at", "ends_at", "created_by", "lifted_at",
            "lifted_by",
        ]  # fmt: skip


class FreezeInput(Input):
    reason = serializers.CharField(max_length=200)
    ends_at = serializers.DateTimeField()
    starts_at = serializers.DateTimeField(required=False)


class NothingInput(Input):
    """No field."""


class FreezesViewSet(PortalViewSet[Environment]):
    """`…/freezes/` of one environment."""

    queryset = Environment.objects.all()
    serializer_class = FreezeSerializer  # type: ignore[assignment]  # what these answer, not an environment
    lookup_field = "slug"
    pagination_class = None

    @extend_schema(responses=FreezeSerializer(many=True))
    @action(detail=True, url_path="freezes")
    def list_freezes(self, _request: Request, slug: str) -> Response:
        """The newest hundred, those that are over too."""
        rows: list[Any] = list(
            find_environment(self.actor, slug).freezes.select_related("environment").order_by("-pk")
        )[:100]
        return Response(FreezeSerializer(rows, many=True).data)

    @extend_schema(request=FreezeInput, responses={201: FreezeSerializer})
    @list_freezes.mapping.post
    def freeze(self, _request: Request, slug: str) -> Response:
        """Forbids changes until `ends_at`."""
        row = freeze_environment(self.actor, environment=slug, **self.body(FreezeInput))
        return Response(FreezeSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=NothingInput, responses=FreezeSerializer)
    @action(detail=True, methods=["post"], url_path=r"freezes/(?P<number>\d{1,18})/lift")
    def lift(self, _request: Request, slug: str, number: str) -> Response:
        """Ends a freeze now."""
        self.body(NothingInput)
        place = find_environment(self.actor, slug)
        if not place.freezes.filter(pk=number).exists():
            raise NotFound("freeze.unknown", f"There is no freeze {number} of {slug}.")
        row = lift_freeze(self.actor, freeze=int(number))
        return Response(FreezeSerializer(row).data)
