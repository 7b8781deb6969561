"""MCP servers and their tools over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.mcp.choices import Wish
from apps.mcp.models import McpServer, ToolDefinition
from apps.mcp.services import check_server, set_wish


class ServerSerializer(serializers.ModelSerializer[McpServer]):
    """One server: what is wanted of it (`wish`) and what was found (`health`) stand apart."""

    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    health = serializers.SerializerMethodField()
    tools = serializers.IntegerField(source="tool_count", read_only=True)

    class Meta:
        model = McpServer
        fields = [
            "slug",
            "environment",
            "name",
            "role",
            "wish",
            "health",
            "url",
            "port",
            "transport",
            "process",
            "package",
            "package_version",
            "ecosystem",
            "era",
            "protocol_version",
            "server_name",
            "server_version",
            "capabilities",
            "tools",
            "inventory_at",
            "deployed_by_run",
            "registered_at",
        ]

    def get_health(self, server: McpServer) -> dict[str, Any]:
        """As its check has it; `unknown` where there is no check."""
        row = server.check_row
        return {
            "status": row.health if row else "unknown",
            "reason": row.health_reason if row else "There is no check.",
            "since": row.health_since if row else None,
            "last_checked_at": row.last_checked_at if row else None,
            "latency_ms": row.latency_ms if row else None,
            "check": row.pk if row else None,
        }


class ToolSerializer(serializers.ModelSerializer[ToolDefinition]):
    """One tool; `definition` is the raw JSON of the server, which is not to be trusted."""

    class Meta:
        model = ToolDefinition
        fields = ["name", "description", "definition", "digest", "first_seen_at", "last_seen_at"]


class WishInput(Input):
    wish = serializers.ChoiceField([Wish.ENABLED, Wish.PAUSED, Wish.DISABLED])


class ServerViewSet(ReadOnlyViewSet[McpServer]):
    queryset = McpServer.objects.select_related("environment", "check_row").annotate(
        tool_count=Count("tools")
    )
    serializer_class = ServerSerializer
    lookup_field = "slug"
    filters = {
        "environment": "environment__slug",
        "wish": "wish",
        "health": "check_row__health",
        "role": "role",
        "era": "era",
    }
    orderings = ("id", "slug", "port")

    @extend_schema(responses=ToolSerializer(many=True))
    @action(detail=True, filters={"name": "name"}, orderings=("id", "name"))
    def tools(self, _request: Request, slug: str) -> Response:
        """What the server offers, as it last described it."""
        row = get_object_or_404(self.get_queryset(), slug=slug)
        page = self.paginate_queryset(self.filter_queryset(row.tools.all()))  # type: ignore[arg-type]  # tools of the server, not servers
        return self.get_paginated_response(ToolSerializer(page, many=True).data)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def check(self, _request: Request, slug: str) -> Response:
        """Has it looked at now, its tools too."""
        self.body(Input)
        check_server(self.actor, server=slug)
        return self._shown(slug)

    @extend_schema(request=WishInput)
    @action(detail=True, methods=["post"])
    def wish(self, _request: Request, slug: str) -> Response:
        """Enables, pauses or disables it."""
        set_wish(self.actor, server=slug, **self.body(WishInput))
        return self._shown(slug)

    def _shown(self, slug: str) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(slug=slug)).data)
