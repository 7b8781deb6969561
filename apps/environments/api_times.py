"""REST: freezes, windows, named locks and the stop of the line. Thin doors on the verbs."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.environments import services
from apps.environments.models import Freeze, NamedLock, Stop, Window
from apps.environments.recurrence import NAMES, Hours
from apps.environments.times import standing_stop


class HoursInput(Input):
    """Local times of day; an end that is not after the beginning lies on the next day."""

    begins = serializers.CharField(max_length=5)
    ends = serializers.CharField(max_length=5)
    weekdays = serializers.ListField(
        child=serializers.ChoiceField(choices=NAMES), required=False, max_length=7
    )
    zone = serializers.CharField(max_length=64, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"hours": Hours(**attrs)}


class RecurringSerializer(serializers.ModelSerializer[Any]):
    environment = serializers.CharField(source="environment.slug", allow_null=True, default=None)
    hours = serializers.SerializerMethodField()

    def get_hours(self, row: Freeze | Window) -> dict[str, Any] | None:
        if row.begins is None or row.ends is None:
            return None
        return {
            "begins": f"{row.begins:%H:%M}",
            "ends": f"{row.ends:%H:%M}",
            "weekdays": [NAMES[day] for day in row.weekdays],
            "zone": row.zone,
        }


class FreezeRuleSerializer(RecurringSerializer):
    class Meta:
        model = Freeze
        fields = [
            "id", "environment", "reason", "starts_at", "ends_at", "hours", "holds_now",
            "created_by", "lifted_at", "lifted_by",
        ]  # fmt: skip


class WindowSerializer(RecurringSerializer):
    class Meta:
        model = Window
        fields = [
            "id", "environment", "reason", "hours", "created_at", "created_by", "ended_at",
            "ended_by",
        ]  # fmt: skip


class LockSerializer(serializers.ModelSerializer[NamedLock]):
    environment = serializers.CharField(source="environment.slug")

    class Meta:
        model = NamedLock
        fields = [
            "id", "environment", "name", "owner", "reason", "taken_at", "expires_at",
            "released_at", "released_by",
        ]  # fmt: skip


class StopSerializer(serializers.ModelSerializer[Stop]):
    class Meta:
        model = Stop
        fields = [
            "id", "reason", "stopped_at", "stopped_by", "lifted_at", "lifted_by", "lifted_because",
        ]  # fmt: skip


class LineSerializer(serializers.Serializer[Any]):
    stopped = serializers.BooleanField()
    stop = StopSerializer(allow_null=True)


class FreezeRuleInput(Input):
    environment = serializers.CharField(max_length=50, required=False)
    reason = serializers.CharField(max_length=200)
    ends_at = serializers.DateTimeField(required=False)
    starts_at = serializers.DateTimeField(required=False)
    hours = HoursInput(required=False)


class FreezeEditInput(Input):
    reason = serializers.CharField(max_length=200, required=False)
    ends_at = serializers.DateTimeField(required=False)
    why = serializers.CharField(max_length=200)


class WindowInput(Input):
    environment = serializers.CharField(max_length=50, required=False)
    reason = serializers.CharField(max_length=200)
    hours = HoursInput()


class WindowEditInput(Input):
    hours = HoursInput()
    why = serializers.CharField(max_length=200)


class LockInput(Input):
    environment = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=60)
    reason = serializers.CharField(max_length=200)
    expires_at = serializers.DateTimeField()


class WhyInput(Input):
    reason = serializers.CharField(max_length=200)


class PerhapsWhyInput(Input):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class OfTimes(ReadOnlyViewSet[Any]):
    """What the three lists share."""

    filters: ClassVar[dict[str, str]] = {"environment": "environment__slug"}
    lookup_value_regex = r"\d{1,18}"

    def given(self, kind: type[Input]) -> dict[str, Any]:
        """The body, with the hours as the verbs take them."""
        body = self.body(kind)
        if "hours" in body:
            body["hours"] = body["hours"]["hours"]
        return body

    def answer(self, row: Any, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.get_serializer(row).data, status=code)


class FreezeViewSet(OfTimes):
    """Freezes, once or recurring, of one environment or (without one) of all."""

    queryset = Freeze.objects.select_related("environment")
    serializer_class = FreezeRuleSerializer

    @extend_schema(request=FreezeRuleInput, responses={201: FreezeRuleSerializer})
    def create(self, _request: Request) -> Response:
        row = services.freeze_environment(self.actor, **self.given(FreezeRuleInput))
        return self.answer(row, status.HTTP_201_CREATED)

    @extend_schema(request=FreezeEditInput, responses=FreezeRuleSerializer)
    @action(detail=True, methods=["post"])
    def edit(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        found = self.get_object().pk
        return self.answer(
            services.edit_freeze(self.actor, freeze=found, **self.given(FreezeEditInput))
        )

    @extend_schema(request=PerhapsWhyInput, responses=FreezeRuleSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        found = self.get_object().pk
        return self.answer(
            services.lift_freeze(self.actor, freeze=found, **self.body(PerhapsWhyInput))
        )


class WindowViewSet(OfTimes):
    """The hours outside of which changes are forbidden."""

    queryset = Window.objects.select_related("environment")
    serializer_class = WindowSerializer

    @extend_schema(request=WindowInput, responses={201: WindowSerializer})
    def create(self, _request: Request) -> Response:
        row = services.add_window(self.actor, **self.given(WindowInput))
        return self.answer(row, status.HTTP_201_CREATED)

    @extend_schema(request=WindowEditInput, responses=WindowSerializer)
    @action(detail=True, methods=["post"])
    def edit(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        found = self.get_object().pk
        return self.answer(
            services.edit_window(self.actor, window=found, **self.given(WindowEditInput))
        )

    @extend_schema(request=PerhapsWhyInput, responses=WindowSerializer)
    @action(detail=True, methods=["post"], url_path="end")
    def take_away(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        found = self.get_object().pk
        return self.answer(
            services.end_window(self.actor, window=found, **self.body(PerhapsWhyInput))
        )


class LockViewSet(OfTimes):
    """Named locks: their owner's deployments pass, no other's."""

    queryset = NamedLock.objects.select_related("environment")
    serializer_class = LockSerializer

    @extend_schema(request=LockInput, responses={201: LockSerializer})
    def create(self, _request: Request) -> Response:
        row = services.lock_environment(self.actor, **self.body(LockInput))
        return self.answer(row, status.HTTP_201_CREATED)

    @extend_schema(request=PerhapsWhyInput, responses=LockSerializer)
    @action(detail=True, methods=["post"])
    def release(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF gives it by name
        found = self.get_object().pk
        return self.answer(
            services.unlock_environment(self.actor, lock=found, **self.body(PerhapsWhyInput))
        )


class StopViewSet(ReadOnlyViewSet[Stop]):
    """Stops of the line; the newest may stand."""

    queryset = Stop.objects.all()
    serializer_class = StopSerializer
    lookup_value_regex = r"\d{1,18}"

    @extend_schema(responses=LineSerializer)
    @action(detail=False)
    def now(self, _request: Request) -> Response:
        """Whether the line is stopped."""
        return Response(
            LineSerializer({"stopped": (row := standing_stop()) is not None, "stop": row}).data
        )

    @extend_schema(request=WhyInput, responses={201: StopSerializer})
    def create(self, _request: Request) -> Response:
        """Stops the line."""
        row = services.stop_the_line(self.actor, **self.body(WhyInput))
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WhyInput, responses=StopSerializer)
    @action(detail=False, methods=["post"])
    def lift(self, _request: Request) -> Response:
        """Lifts the stop that stands."""
        return Response(
            self.get_serializer(services.lift_stop(self.actor, **self.body(WhyInput))).data
        )
