"""Allowed ranges and the calls of jobs over REST."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import Input, ReadOnlyViewSet
from apps.core.errors import NotFound
from apps.monitoring.heartbeats import take_call
from apps.monitoring.models import AllowedRange
from apps.monitoring.services import allow_range, withdraw_range


class RangeSerializer(serializers.ModelSerializer[AllowedRange]):
    """A range that the checks of one environment may reach; no ports means all of them."""

    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    ports = serializers.ListField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = AllowedRange
        fields = ["id", "environment", "network", "ports", "reason", "made_at"]


class RangeInput(Input):
    environment = serializers.CharField(max_length=60)
    network = serializers.CharField(max_length=49)
    ports = serializers.ListField(child=serializers.IntegerField(), default=list)
    reason = serializers.CharField(max_length=200)


class RangeViewSet(ReadOnlyViewSet[AllowedRange]):
    queryset = AllowedRange.objects.select_related("environment")
    serializer_class = RangeSerializer
    filters = {"environment": "environment__slug"}

    @extend_schema(request=RangeInput, responses={201: RangeSerializer})
    def create(self, _request: Request) -> Response:
        """Lets checks reach it."""
        row = allow_range(self.actor, **self.body(RangeInput))
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, _request: Request, pk: str) -> Response:
        """Closes it again."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        withdraw_range(self.actor, range_id=row.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CallView(APIView):
    """A job calls in; the token in the path is all it needs."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(request=None, responses={204: None}, auth=[])
    def post(self, _request: Request, token: str) -> Response:
        """Notes the call. 404 for a token of nobody."""
        if take_call(token) is None:
            raise NotFound("heartbeat.unknown", "There is no such heartbeat.")
        return Response(status=status.HTTP_204_NO_CONTENT)
