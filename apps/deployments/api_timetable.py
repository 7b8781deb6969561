"""REST: schedules, what became of their moments, and lifetimes. Thin doors on the verbs."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet, ReadOnlyViewSet
from apps.core.errors import NotFound
from apps.deployments import services
from apps.deployments.models import Firing, Lifetime, Schedule
from apps.deployments.services.timetabling import Timing
from apps.environments.lookup import find_environment
from apps.environments.models import Environment


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    environment = serializers.CharField(source="environment.slug")

    class Meta:
        model = Schedule
        fields = [
            "id", "environment", "name", "kind", "cron", "zone", "late_minutes", "unattended",
            "reason", "created_at", "created_by", "next_at", "paused_at", "ended_at", "ended_by",
        ]  # fmt: skip


class FiringSerializer(serializers.ModelSerializer[Firing]):
    class Meta:
        model = Firing
        fields = ["id", "schedule", "due_at", "at", "outcome", "detail", "deployment"]


class LifetimeSerializer(serializers.ModelSerializer[Lifetime]):
    environment = serializers.CharField(source="environment.slug")

    class Meta:
        model = Lifetime
        fields = [
            "environment", "ends_at", "reason", "set_at", "set_by", "warned_day_at",
            "warned_hour_at", "ended_at", "deployment",
        ]  # fmt: skip


class ScheduleInput(Input):
    environment = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=80)
    reason = serializers.CharField(max_length=200)
    at = serializers.DateTimeField(required=False)
    cron = serializers.CharField(max_length=100, required=False)
    zone = serializers.CharField(max_length=64, required=False)
    late_minutes = serializers.IntegerField(min_value=0, max_value=1440, required=False)
    unattended = serializers.BooleanField(required=False)


class LifetimeInput(Input):
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=200)


class NothingInput(Input):
    """No field."""


class ScheduleViewSet(ReadOnlyViewSet[Schedule]):
    """Deployments at a time."""

    queryset = Schedule.objects.select_related("environment")
    serializer_class = ScheduleSerializer
    filters: ClassVar[dict[str, str]] = {"environment": "environment__slug"}
    lookup_value_regex = r"\d{1,18}"

    @extend_schema(request=ScheduleInput, responses={201: ScheduleSerializer})
    def create(self, _request: Request) -> Response:
        """Once at a moment, or by cron."""
        body = self.body(ScheduleInput)
        names = ("at", "cron", "zone", "late_minutes")
        timing = Timing(**{name: body.pop(name) for name in names if name in body})
        row = services.schedule_deployment(self.actor, timing=timing, **body)
        return self._answer(row, status.HTTP_201_CREATED)

    @extend_schema(request=NothingInput, responses=ScheduleSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        self.body(NothingInput)
        return self._answer(services.pause_schedule(self.actor, schedule=self.get_object().pk))

    @extend_schema(request=NothingInput, responses=ScheduleSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        self.body(NothingInput)
        found = self.get_object().pk
        return self._answer(services.pause_schedule(self.actor, schedule=found, paused=False))

    @extend_schema(request=NothingInput, responses=ScheduleSerializer)
    @action(detail=True, methods=["post"], url_path="end")
    def stop(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        self.body(NothingInput)
        return self._answer(services.end_schedule(self.actor, schedule=self.get_object().pk))

    @extend_schema(responses=FiringSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def firings(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        """The newest hundred."""
        rows = self.get_object().firings.all()[:100]
        return Response(FiringSerializer(rows, many=True).data)

    def _answer(self, row: Schedule, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.get_serializer(row).data, status=code)


class LifetimeViewSet(PortalViewSet[Environment]):
    """`…/lifetime/` of one environment."""

    queryset = Environment.objects.all()
    serializer_class = LifetimeSerializer  # type: ignore[assignment]  # what these answer, not an environment
    lookup_field = "slug"
    pagination_class = None

    @extend_schema(responses=LifetimeSerializer)
    @action(detail=True)
    def lifetime(self, _request: Request, slug: str) -> Response:
        """Until when it lives; 404 without an end."""
        place = find_environment(self.actor, slug)
        row = Lifetime.objects.filter(environment=place).first()
        if row is None:
            raise NotFound("lifetime.none", f"{slug} has no end to its life.")
        return Response(LifetimeSerializer(row).data)

    @extend_schema(request=LifetimeInput, responses=LifetimeSerializer)
    @lifetime.mapping.put
    def set(self, _request: Request, slug: str) -> Response:
        """Sets or moves the end."""
        row = services.set_lifetime(self.actor, environment=slug, **self.body(LifetimeInput))
        return Response(LifetimeSerializer(row).data)

    @extend_schema(request=None, responses={204: None})
    @lifetime.mapping.delete
    def clear(self, _request: Request, slug: str) -> Response:
        services.clear_lifetime(self.actor, environment=slug)
        return Response(status=status.HTTP_204_NO_CONTENT)
