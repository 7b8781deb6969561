"""REST: the recovery of a deployment, step by step."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.deployments import ladder, services
from apps.deployments.models import Deployment
from apps.deployments.rungs import RUNGS, take_step
from apps.deployments.serializers import DeploymentDetailSerializer, NoInput

STEP = OpenApiParameter("step", str, OpenApiParameter.PATH, enum=list(RUNGS))


class PendingSerializer(serializers.Serializer[Any]):
    operation = serializers.CharField()
    urn = serializers.CharField()
    type = serializers.CharField()
    last_event = serializers.CharField(source="last.message", default="")


class StateLockSerializer(serializers.Serializer[Any]):
    owner = serializers.CharField()
    host = serializers.CharField()
    pid = serializers.IntegerField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=["ours", "foreign", "removed"])


class StepSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=list(RUNGS))
    title = serializers.CharField()
    fact = serializers.CharField()
    is_done = serializers.BooleanField()
    is_open = serializers.BooleanField()
    who = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    pending = PendingSerializer(many=True)
    locks = StateLockSerializer(many=True)
    state_copy = serializers.IntegerField(allow_null=True)


class LadderSerializer(serializers.Serializer[Any]):
    results = StepSerializer(many=True)


class AdoptionInput(Input):
    ids = serializers.DictField(
        child=serializers.CharField(max_length=500), help_text="URN → id of the real thing"
    )
    confirm = serializers.CharField(help_text="The environment's name.")


class RecoveryViewSet(PortalViewSet[Deployment]):
    """What a deployment in need of recovery needs, and the steps that do it."""

    queryset = Deployment.objects.select_related("environment__protection", "environment__stack")
    serializer_class = DeploymentDetailSerializer
    lookup_value_regex = r"\d+"

    @extend_schema(request=AdoptionInput, responses=DeploymentDetailSerializer)
    @action(detail=True, methods=["post"], url_path="recovery/adopt-pending-creates")
    def adopt(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Records what unfinished creates left behind by its id; the other ones are cleared."""
        services.adopt_pending_creates(self.actor, deployment=int(pk), **self.body(AdoptionInput))
        return Response(self.get_serializer(self.get_queryset().get(pk=pk)).data)

    @extend_schema(responses=LadderSerializer)
    @action(detail=True, methods=["get"], pagination_class=None)
    def recovery(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """The ladder: six steps, one open."""
        return Response(
            {"results": StepSerializer(ladder.steps(self.get_object()), many=True).data}
        )

    @extend_schema(request=NoInput, responses=DeploymentDetailSerializer, parameters=[STEP])
    @action(detail=True, methods=["post"], url_path=r"recovery/(?P<step>[a-z-]+)")
    def step(self, request: Request, pk: str, step: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Takes one step."""
        self.body(NoInput)
        take_step(self.actor, deployment=int(pk), step=step)
        return Response(self.get_serializer(self.get_queryset().get(pk=pk)).data)
