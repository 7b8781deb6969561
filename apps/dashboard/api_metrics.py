"""Uptime, DORA and targets over REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import PortalViewSet
from apps.dashboard.figures import dora, targets
from apps.dashboard.uptime import uptimes
from apps.environments.models import Environment


class UptimeSerializer(serializers.Serializer[Any]):
    """`uptime` a share of the watched time; `budget_left` in seconds, null without a promise."""

    environment = serializers.CharField(source="environment.slug")
    uptime = serializers.FloatField(source="share", allow_null=True)
    watched = serializers.SerializerMethodField()
    down = serializers.SerializerMethodField()
    incidents = serializers.IntegerField()
    budget_left = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    def get_watched(self, row: Any) -> float:
        return float(row.watched.total_seconds())

    def get_down(self, row: Any) -> float:
        return float(row.down.total_seconds())

    def get_budget_left(self, row: Any) -> float | None:
        return row.left.total_seconds() if row.is_promised else None

    def get_links(self, row: Any) -> dict[str, str]:
        return {"rows": f"/api/v1/monitoring/incidents/?environment={row.environment.slug}"}


class FigureSerializer(serializers.Serializer[Any]):
    """`value` in `unit`, null where no row says anything; `of` rows, which `rows` leads to."""

    name = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    unit = serializers.CharField()
    of = serializers.IntegerField()
    words = serializers.CharField()
    goal = serializers.FloatField(allow_null=True)
    is_met = serializers.BooleanField(allow_null=True)
    rows = serializers.CharField()


class MetricsSerializer(serializers.Serializer[Any]):
    uptime = UptimeSerializer(many=True)
    dora = FigureSerializer(many=True)
    targets = FigureSerializer(many=True)


class MetricsViewSet(PortalViewSet[Environment]):
    """The figures of the metrics page, over the last 30 days."""

    queryset = Environment.objects.all()
    serializer_class = MetricsSerializer
    pagination_class = None
    filters = {"environment": "slug"}

    # The document's generator takes every `list` for an array.
    @extend_schema(responses=forced_singular_serializer(MetricsSerializer))  # type: ignore[no-untyped-call]  # its helpers have no types
    def list(self, _request: Request) -> Response:
        places = list(self.filter_queryset(self.get_queryset()))
        asked = self.request.query_params.get("environment")
        only = (places[0].pk if places else -1) if asked else None
        body = {
            "uptime": uptimes(places),
            "dora": dora(self.actor, only),
            "targets": targets(self.actor),
        }
        return Response(MetricsSerializer(body).data)
