"""REST: kept copies of the state: which, how they differ, writing one back."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.core.errors import Invalid, NotFound
from apps.deployments import services, states
from apps.deployments.models import Deployment, StateCopy
from apps.deployments.serializers import DeploymentDetailSerializer


class StateSerializer(serializers.ModelSerializer[StateCopy]):
    environment = serializers.CharField(source="stack.environment.slug")
    operation = serializers.CharField(source="run.operation")
    deployment = serializers.IntegerField(source="run.deployment_id", allow_null=True)

    class Meta:
        model = StateCopy
        fields = [
            "id",
            "environment",
            "run",
            "operation",
            "deployment",
            "digest",
            "resources",
            "at",
        ]


class DifferenceOfStates(serializers.Serializer[Any]):
    summary = serializers.DictField(child=serializers.IntegerField())
    changes = serializers.ListField(child=serializers.DictField())
    has_more = serializers.BooleanField()


class RestoreInput(Input):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    supersede = serializers.BooleanField(required=False)


class StateViewSet(ReadOnlyViewSet[StateCopy]):
    """Copies of the state, one after each run that wrote it. What they hold stays sealed."""

    queryset = StateCopy.objects.select_related("run", "stack__environment").defer("document")
    serializer_class = StateSerializer
    filters: ClassVar[dict[str, str]] = {
        "environment": "stack__environment__slug",
        "deployment": "run__deployment",
    }
    extra_parameters = ("since",)
    lookup_value_regex = r"\d+"

    @extend_schema(
        parameters=[OpenApiParameter("since", int, required=True, description="The other copy.")],
        responses=DifferenceOfStates,
    )
    @action(detail=True, methods=["get"])
    def difference(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """What this copy has otherwise than an earlier one, without any secret."""
        since = request.query_params.get("since", "")
        if not since.isdigit():
            raise Invalid(
                "input.invalid",
                f"since is {since!r}; it takes the number of a copy.",
                errors={"since": "The number of a copy."},
            )
        second = self.get_object()
        rows = states.copies(second.stack.environment)
        first = rows.filter(pk=int(since)).first()
        if first is None:
            raise NotFound("state.unknown", f"There is no copy {since} of the same stack.")
        return Response(states.difference_of(first, second))

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def document(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """The copy as the engine's export has it, every secret masked; that it was read is kept."""
        slug = self.get_object().stack.environment.slug
        return Response(services.read_state(self.actor, environment=slug, state=int(pk)))

    @extend_schema(request=RestoreInput, responses={201: DeploymentDetailSerializer})
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Plans a deployment of kind import that writes this copy over the state."""
        body = self.body(RestoreInput)
        slug = self.get_object().stack.environment.slug
        made = services.restore_state(self.actor, environment=slug, state=int(pk), **body)
        row = Deployment.objects.select_related("environment__protection").get(pk=made.pk)
        shape = DeploymentDetailSerializer(row, context=self.get_serializer_context())
        return Response(shape.data, status=status.HTTP_201_CREATED)
