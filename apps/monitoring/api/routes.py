"""Alert routes and their deliveries over REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.monitoring import services
from apps.monitoring.choices import RouteKind, Severity
from apps.monitoring.models import AlertRoute, Delivery

CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^$"


class RouteSerializer(serializers.ModelSerializer[AlertRoute]):
    """Where messages go; `shown` is the address without its secret part, quiet hours are UTC."""

    environment = serializers.SlugRelatedField[Any](
        slug_field="slug", read_only=True, allow_null=True
    )

    class Meta:
        model = AlertRoute
        fields = [
            "id", "name", "kind", "environment", "severity", "shown", "is_enabled", "quiet_from",
            "quiet_to", "made_by", "made_at",
        ]  # fmt: skip


class NewRouteSerializer(RouteSerializer):
    """The only answer that holds the secret; empty for mail and chat."""

    secret = serializers.CharField(read_only=True)

    class Meta(RouteSerializer.Meta):
        fields = [*RouteSerializer.Meta.fields, "secret"]


class RouteInput(Input):
    name = serializers.CharField(max_length=60)
    kind = serializers.ChoiceField(choices=RouteKind.choices)
    address = serializers.CharField(max_length=500)
    environment = serializers.CharField(required=False, allow_blank=True, default="")
    severity = serializers.ChoiceField(choices=Severity.choices, default=Severity.WARNING)
    quiet_from = serializers.RegexField(CLOCK, required=False, allow_blank=True, default="")
    quiet_to = serializers.RegexField(CLOCK, required=False, allow_blank=True, default="")


class RouteEditInput(Input):
    """What is left out stays; empty quiet hours end them."""

    address = serializers.CharField(max_length=500, required=False)
    severity = serializers.ChoiceField(choices=Severity.choices, required=False)
    quiet_from = serializers.RegexField(CLOCK, required=False, allow_blank=True)
    quiet_to = serializers.RegexField(CLOCK, required=False, allow_blank=True)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One message to one route; `answer` is what the receiver said last."""

    route = serializers.CharField(source="route.name", read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id", "route", "incident", "message_id", "event", "severity", "status", "attempts",
            "made_at", "next_at", "sent_at", "answer",
        ]  # fmt: skip


class RouteViewSet(ReadOnlyViewSet[AlertRoute]):
    queryset = AlertRoute.objects.select_related("environment")
    serializer_class = RouteSerializer
    lookup_value_regex = r"\d{1,18}"
    filters = {"environment": "environment__slug", "kind": "kind", "is_enabled": "is_enabled"}

    @extend_schema(request=RouteInput, responses={201: NewRouteSerializer})
    def create(self, _request: Request) -> Response:
        """A new route. The secret that signs a webhook's messages is in this answer only."""
        row, secret = services.make_route(self.actor, **self.body(RouteInput))
        body = {**self.get_serializer(row).data, "secret": secret}
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, _request: Request, pk: str) -> Response:
        """Removes it with its log."""
        services.remove_route(self.actor, route_id=int(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=RouteEditInput)
    @action(detail=True, methods=["post"])
    def edit(self, _request: Request, pk: str) -> Response:
        """Another address, severity or quiet hours. A webhook's signing secret stays."""
        row = services.edit_route(self.actor, route_id=int(pk), **self.body(RouteEditInput))
        return Response(self.get_serializer(row).data)

    @extend_schema(request=Input, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def test(self, _request: Request, pk: str) -> Response:
        """Sends one message that says it is a test."""
        self.body(Input)
        row = services.send_test_message(self.actor, route_id=int(pk))
        return Response(DeliverySerializer(row).data)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def enable(self, _request: Request, pk: str) -> Response:
        return self._switch(pk, enabled=True)

    @extend_schema(request=Input)
    @action(detail=True, methods=["post"])
    def disable(self, _request: Request, pk: str) -> Response:
        return self._switch(pk, enabled=False)

    def _switch(self, pk: str, *, enabled: bool) -> Response:
        self.body(Input)
        row = services.set_route_enabled(self.actor, route_id=int(pk), enabled=enabled)
        return Response(self.get_serializer(row).data)


class DeliveryViewSet(ReadOnlyViewSet[Delivery]):
    """The log of what was sent, and the outbox of what will be."""

    queryset = Delivery.objects.select_related("route")
    serializer_class = DeliverySerializer
    lookup_value_regex = r"\d{1,18}"
    filters = {"route": "route__name", "status": "status", "incident": "incident"}
