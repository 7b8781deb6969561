"""REST: going back to an earlier revision, and the holds that this sets."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet, ReadOnlyViewSet
from apps.deployments import rollbacks, services
from apps.deployments.models import Deployment, Hold
from apps.deployments.serializers import DeploymentDetailSerializer
from apps.environments.lookup import find_environment
from apps.environments.models import Environment
from apps.environments.services import set_protection


class RollbackInput(Input):
    to = serializers.IntegerField(min_value=1, required=False)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    supersede = serializers.BooleanField(required=False)


class SwitchInput(Input):
    enabled = serializers.BooleanField()


class SwitchSerializer(serializers.Serializer[Any]):
    automatic_rollback = serializers.BooleanField()


class DifferenceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    now = serializers.CharField(allow_null=True)
    then = serializers.CharField(allow_null=True)


class FileDifferenceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    change = serializers.ChoiceField(choices=["added", "changed", "removed"])
    added = serializers.IntegerField()
    removed = serializers.IntegerField()


class CandidateSerializer(serializers.Serializer[Any]):
    deployment = serializers.IntegerField(source="deployment.pk")
    revision = serializers.JSONField(source="deployment.revision")
    verified_at = serializers.DateTimeField(source="deployment.finished_at")
    settings = DifferenceSerializer(many=True)
    files = FileDifferenceSerializer(many=True)


class CandidatesSerializer(serializers.Serializer[Any]):
    results = CandidateSerializer(many=True)


class HoldSerializer(serializers.ModelSerializer[Hold]):
    environment = serializers.CharField(source="environment.slug")
    stands = serializers.BooleanField(read_only=True)

    class Meta:
        model = Hold
        fields = [
            "id",
            "environment",
            "deployment",
            "program_digest",
            "config_digest",
            "reason",
            "set_at",
            "set_by",
            "stands",
            "lifted_at",
            "lifted_by",
            "lift_reason",
        ]


class HoldLiftInput(Input):
    reason = serializers.CharField(max_length=300)


class RollbackVerbs(PortalViewSet[Environment]):
    """Going back."""

    queryset = Environment.objects.all()
    # What these verbs answer is a deployment, not an environment.
    serializer_class = DeploymentDetailSerializer  # type: ignore[assignment]  # see above
    lookup_field = "slug"

    @extend_schema(request=RollbackInput, responses={201: DeploymentDetailSerializer})
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Plans the deployment of an earlier verified revision, and holds the one it leaves."""
        body = self.body(RollbackInput)
        made = services.roll_back(self.actor, environment=slug, **body)
        row = Deployment.objects.select_related("environment__protection").get(pk=made.pk)
        shape = DeploymentDetailSerializer(row, context=self.get_serializer_context())
        return Response(shape.data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=CandidatesSerializer)
    @action(detail=True, methods=["get"], url_path="rollback-candidates", pagination_class=None)
    def rollback_candidates(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """The last verified revisions, each with what it would change; newest first."""
        place = find_environment(self.actor, slug)
        found = rollbacks.candidates(place)
        return Response({"results": CandidateSerializer(found, many=True).data})

    @extend_schema(request=SwitchInput, responses=SwitchSerializer)
    @action(detail=True, methods=["post"], url_path="automatic-rollback")
    def automatic_rollback(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Whether a failed verification rolls back by itself, once."""
        enabled = self.body(SwitchInput)["enabled"]
        row = set_protection(self.actor, environment=slug, automatic_rollback=enabled)
        return Response({"automatic_rollback": row.automatic_rollback})


class HoldViewSet(ReadOnlyViewSet[Hold]):
    """Revisions that were rolled back from, and whether they are still kept out."""

    queryset = Hold.objects.select_related("environment")
    serializer_class = HoldSerializer
    filters = {"environment": "environment__slug", "deployment": "deployment"}
    lookup_value_regex = r"\d+"

    @extend_schema(request=HoldLiftInput, responses=HoldSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Lets automation, and the held revision, in again."""
        row = services.lift_hold(self.actor, hold=int(pk), **self.body(HoldLiftInput))
        return Response(HoldSerializer(row).data)
