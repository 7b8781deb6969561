"""HTTP service discovery for Prometheus."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import PortalViewSet
from apps.monitoring.models import Check
from apps.monitoring.targets import MODULES, groups_of


class TargetSerializer(serializers.Serializer[Any]):
    targets = serializers.ListField(child=serializers.CharField())
    labels = serializers.DictField(child=serializers.CharField())


class TargetViewSet(PortalViewSet[Check]):
    """
    What the environments hold, as Prometheus asks for it: one JSON list, without pages. A paused
    check is no target.
    """

    queryset = Check.objects.select_related("environment")
    serializer_class = TargetSerializer
    pagination_class = None
    filters = {"environment": "environment__slug", "kind": "kind"}

    @extend_schema(responses=TargetSerializer(many=True))
    def list(self, _request: Request) -> Response:
        rows: Any = self.filter_queryset(self.get_queryset())
        return Response(groups_of(rows.enabled().filter(kind__in=sorted(MODULES)).order_by("id")))
