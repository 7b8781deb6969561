"""Checks and their results over REST."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.monitoring.choices import CheckKind, Health
from apps.monitoring.heartbeats import path_of
from apps.monitoring.models import Check, CheckHour, CheckResult
from apps.monitoring.parameters import NAME
from apps.monitoring.services import (
    register_check,
    renew_heartbeat,
    request_checks,
    retire_check,
    set_check_enabled,
)


class CheckSerializer(serializers.ModelSerializer[Check]):
    """A check with its health; times in UTC, `interval` and `time_limit` in seconds."""

    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    health = serializers.SerializerMethodField()

    class Meta:
        model = Check
        fields = [
            "id",
            "environment",
            "name",
            "kind",
            "parameters",
            "interval",
            "time_limit",
            "fall",
            "rise",
            "is_enabled",
            "is_gate",
            "source",
            "health",
            "last_checked_at",
            "last_healthy_at",
            "latency_ms",
        ]

    def get_health(self, check: Check) -> dict[str, Any]:
        return {"status": check.health, "reason": check.health_reason, "since": check.health_since}


class ResultSerializer(serializers.ModelSerializer[CheckResult]):
    """One look; `steps` is the ladder of the probe, latencies in milliseconds."""

    steps = serializers.JSONField(source="detail")

    class Meta:
        model = CheckResult
        fields = ["id", "at", "found", "code", "reason", "latency_ms", "steps"]


class CheckInput(Input):
    """`parameters` by kind; an unusable one is named. An existing name is brought up to date."""

    environment = serializers.CharField(max_length=60)
    name = serializers.RegexField(rf"^{NAME.pattern}$")
    kind = serializers.ChoiceField(choices=CheckKind.choices)
    parameters = serializers.DictField()
    interval = serializers.IntegerField(min_value=1, max_value=86_400, default=15)
    is_gate = serializers.BooleanField(default=False)


class HeartbeatSerializer(serializers.Serializer[Any]):
    """Where a job calls, and when it did last. Who has the path can say that the job is well."""

    path = serializers.CharField(read_only=True)
    called_at = serializers.DateTimeField(read_only=True, allow_null=True)
    calls = serializers.IntegerField(read_only=True)


class HourSerializer(serializers.ModelSerializer[CheckHour]):
    """The looks of one hour, counted; latencies in milliseconds."""

    class Meta:
        model = CheckHour
        fields = [
            "hour", "looks", "healthy", "degraded", "unknown", "latency_mean", "latency_most",
        ]  # fmt: skip


class CheckViewSet(ReadOnlyViewSet[Check]):
    queryset = Check.objects.select_related("environment")
    serializer_class = CheckSerializer
    filters = {
        "environment": "environment__slug",
        "kind": "kind",
        "health": "health",
        "is_enabled": "is_enabled",
        "source": "source",
    }
    orderings = ("id", "name")

    @extend_schema(responses=ResultSerializer(many=True))
    @action(detail=True, filters={"found": "found"}, orderings=("id",))
    def results(self, _request: Request, pk: str) -> Response:
        """Looks at this check, newest first."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        found = row.results.all()
        if self.request.query_params.get("found", Health.HEALTHY) != Health.HEALTHY:
            found = found.not_healthy()
        page = self.paginate_queryset(self.filter_queryset(found))  # type: ignore[arg-type]  # rows of the check, not checks
        return self.get_paginated_response(ResultSerializer(page, many=True).data)

    @extend_schema(responses=HourSerializer(many=True))
    @action(detail=True, filters={}, orderings=("hour",))
    def hours(self, _request: Request, pk: str) -> Response:
        """Whole hours, kept for thirteen months; newest first."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        page = self.paginate_queryset(self.filter_queryset(row.hours.all()))  # type: ignore[arg-type]  # the same
        return self.get_paginated_response(HourSerializer(page, many=True).data)

    @extend_schema(request=CheckInput, responses={201: CheckSerializer})
    def create(self, _request: Request) -> Response:
        """Makes a check, or brings the one of this name up to date."""
        row = register_check(self.actor, **self.body(CheckInput))
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, _request: Request, pk: str) -> Response:
        """Removes a check with its results."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        retire_check(self.actor, check_id=row.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=Input, responses=HeartbeatSerializer)
    @action(detail=True, methods=["post"])
    def renew(self, _request: Request, pk: str) -> Response:
        """Gives the job of a heartbeat a new path to call; the old one is void."""
        self.body(Input)
        row = get_object_or_404(self.get_queryset(), pk=pk)
        beat = renew_heartbeat(self.actor, check_id=row.pk)
        said = {"path": path_of(beat), "called_at": beat.called_at, "calls": beat.calls}
        return Response(HeartbeatSerializer(said).data)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def run(self, _request: Request, pk: str) -> Response:
        """Has it looked at now."""
        self.body(Input)
        row = get_object_or_404(self.get_queryset(), pk=pk)
        request_checks(self.actor, environment=row.environment.slug, check_id=row.pk)
        return self._shown(row)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def enable(self, _request: Request, pk: str) -> Response:
        return self._switch(pk, enabled=True)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def pause(self, _request: Request, pk: str) -> Response:
        return self._switch(pk, enabled=False)

    def _switch(self, pk: str, *, enabled: bool) -> Response:
        self.body(Input)
        row = get_object_or_404(self.get_queryset(), pk=pk)
        return self._shown(set_check_enabled(self.actor, check_id=row.pk, enabled=enabled))

    def _shown(self, row: Check) -> Response:
        row.refresh_from_db()
        return Response(self.get_serializer(row).data)
