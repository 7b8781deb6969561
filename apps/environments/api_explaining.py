"""What an environment shares, and why what looks wrong is meant, over REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.environments.choices import Explained
from apps.environments.lookup import find_environment
from apps.environments.models import Environment, Explanation
from apps.environments.reports import ELSEWHERE
from apps.environments.services import (
    explain_difference,
    explain_production_host,
    explain_sharing,
    withdraw_explanation,
)
from apps.environments.sharing import shares_of


class ShareSerializer(serializers.Serializer[Any]):
    """One credential or endpoint of two environments; a credential's value is never told."""

    what = serializers.CharField()
    place = serializers.CharField()
    name = serializers.CharField()
    other = serializers.CharField()
    other_place = serializers.CharField()
    explained = serializers.BooleanField()
    note = serializers.CharField()


class ExplanationSerializer(serializers.ModelSerializer[Explanation]):
    environment = serializers.CharField(source="environment.slug")

    class Meta:
        model = Explanation
        fields = ["id", "environment", "kind", "key", "subject", "note", "by", "at"]


class ExplanationInput(Input):
    """
    `difference`: the key of the matrix, or one ending in `.` for all below it. `sharing`: the place
    as `key`, the other environment as `subject`. `production`: the host as `subject`.
    """

    kind = serializers.ChoiceField(Explained.choices)
    key = serializers.CharField(required=False, max_length=200, default="", allow_blank=True)
    subject = serializers.CharField(required=False, max_length=300, default="", allow_blank=True)
    note = serializers.CharField(max_length=300)


class GuardViewSet(PortalViewSet[Environment]):
    """`…/shares/` and `…/explanations/` of one environment."""

    queryset = Environment.objects.all()
    serializer_class = ExplanationSerializer  # type: ignore[assignment]  # what these answer, not an environment
    lookup_field = "slug"
    pagination_class = None

    @extend_schema(responses=ShareSerializer(many=True))
    @action(detail=True, url_path="shares")
    def shares(self, _request: Request, slug: str) -> Response:
        visible = self.actor.visible_environments()
        rows: list[Any] = [
            {
                "what": row.what,
                "place": row.place,
                "name": row.name,
                "other": row.other.slug if seen else ELSEWHERE,
                "other_place": row.other_place if seen else "",
                "explained": bool(row.note),
                "note": row.note,
            }
            for row in shares_of(find_environment(self.actor, slug))
            for seen in (visible is None or row.other.slug in visible,)
        ]
        return Response(ShareSerializer(rows, many=True).data)

    @extend_schema(responses=ExplanationSerializer(many=True))
    @action(detail=True, url_path="explanations")
    def explanations(self, _request: Request, slug: str) -> Response:
        rows = find_environment(self.actor, slug).explanations.select_related("environment")
        return Response(ExplanationSerializer(rows, many=True).data)

    @extend_schema(request=ExplanationInput, responses={201: ExplanationSerializer})
    @explanations.mapping.post
    def explain(self, _request: Request, slug: str) -> Response:
        body = self.body(ExplanationInput)
        key, subject, note = body["key"], body["subject"], body["note"]
        if body["kind"] == Explained.PRODUCTION:
            row = explain_production_host(self.actor, environment=slug, host=subject, note=note)
        elif body["kind"] == Explained.DIFFERENCE:
            rows = explain_difference(self.actor, environment=slug, key=key, note=note)
            row = rows[0]
        else:
            row = explain_sharing(self.actor, environment=slug, place=key, other=subject, note=note)
        return Response(ExplanationSerializer(row).data, status=status.HTTP_201_CREATED)


class ExplanationViewSet(PortalViewSet[Explanation]):
    queryset = Explanation.objects.all()
    serializer_class = ExplanationSerializer
    filter_backends = []
    lookup_value_regex = r"[0-9]{1,18}"

    @extend_schema(request=None, responses={204: None})
    def destroy(self, _request: Request, pk: str) -> Response:
        withdraw_explanation(self.actor, explanation=int(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)
