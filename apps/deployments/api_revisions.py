"""REST: evidence about revisions, and revisions that nobody may deploy."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, ReadOnlyViewSet
from apps.deployments import services
from apps.deployments.choices import EvidenceResult
from apps.deployments.models import Evidence, RejectedRevision
from apps.deployments.naming import named_revision
from apps.environments.choices import EvidenceKind

PARTS = ("deployment", "commit", "program_digest")


class EvidenceSerializer(serializers.ModelSerializer[Evidence]):
    class Meta:
        model = Evidence
        fields = [
            "id",
            "kind",
            "result",
            "commit",
            "program_digest",
            "who",
            "reported_by",
            "link",
            "comment",
            "seconds",
            "at",
            "reported_at",
        ]


class RevisionInput(Input):
    """A revision: a deployment's own, or a commit, a program tree, or both."""

    deployment = serializers.IntegerField(min_value=1, required=False)
    commit = serializers.CharField(max_length=40, required=False)
    program_digest = serializers.CharField(max_length=64, required=False)


class EvidenceInput(RevisionInput):
    kind = serializers.ChoiceField(choices=EvidenceKind.choices)
    result = serializers.ChoiceField(choices=EvidenceResult.choices)
    who = serializers.CharField(max_length=150, required=False)
    link = serializers.CharField(max_length=500, required=False, allow_blank=True)
    comment = serializers.CharField(max_length=500, required=False, allow_blank=True)
    at = serializers.DateTimeField(required=False)
    seconds = serializers.FloatField(min_value=0, max_value=1_000_000, required=False)


class RejectionSerializer(serializers.ModelSerializer[RejectedRevision]):
    stands = serializers.BooleanField(read_only=True)

    class Meta:
        model = RejectedRevision
        fields = [
            "id",
            "commit",
            "program_digest",
            "reason",
            "rejected_by",
            "rejected_at",
            "stands",
            "lifted_at",
            "lifted_by",
            "lift_reason",
        ]


class RejectionInput(RevisionInput):
    reason = serializers.CharField(max_length=300)


class LiftInput(Input):
    reason = serializers.CharField(max_length=300)


class EvidenceViewSet(ReadOnlyViewSet[Evidence]):
    """What people and programs found about revisions."""

    queryset = Evidence.objects.all()
    serializer_class = EvidenceSerializer
    filters: ClassVar[dict[str, str]] = {
        "kind": "kind",
        "result": "result",
        "commit": "commit",
        "program_digest": "program_digest",
    }
    lookup_value_regex = r"\d+"

    @extend_schema(request=EvidenceInput, responses={201: EvidenceSerializer})
    def create(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """One finding about one revision."""
        body, revision = split(self, EvidenceInput)
        row = services.report_evidence(self.actor, revision=revision, **body)
        return Response(EvidenceSerializer(row).data, status=status.HTTP_201_CREATED)


class RejectionViewSet(ReadOnlyViewSet[RejectedRevision]):
    """Revisions that nobody deploys or promotes, and those that were let go again."""

    queryset = RejectedRevision.objects.all()
    serializer_class = RejectionSerializer
    filters: ClassVar[dict[str, str]] = {"commit": "commit", "program_digest": "program_digest"}
    lookup_value_regex = r"\d+"

    @extend_schema(request=RejectionInput, responses={201: RejectionSerializer})
    def create(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """From now on nobody deploys or promotes this revision anywhere."""
        body, revision = split(self, RejectionInput)
        row = services.reject_revision(self.actor, revision=revision, **body)
        return Response(RejectionSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=LiftInput, responses=RejectionSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """The revision may go on again, under every other rule."""
        row = services.lift_rejection(self.actor, rejection=int(pk), **self.body(LiftInput))
        return Response(RejectionSerializer(row).data)


def split(view: ReadOnlyViewSet[Any], kind: type[Input]) -> tuple[dict[str, Any], Any]:
    """The body without the parts that name the revision, and the revision."""
    body = view.body(kind)
    parts = {name: body.pop(name) for name in PARTS if name in body}
    return body, named_revision(view.actor, **parts)
