"""The matrix of environments over REST, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import PortalViewSet
from apps.core.errors import Invalid
from apps.environments.matrix import Matrix, Row, State, build_matrix
from apps.environments.matrix.export import as_csv, as_document
from apps.environments.matrix.showing import SHOWN, shown_rows
from apps.environments.models import Environment

SHOW = OpenApiParameter("show", enum=list(SHOWN), default="all")


class MatrixCellSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    text = serializers.CharField()
    detail = serializers.CharField()
    state = serializers.ChoiceField([str(state) for state in State])
    note = serializers.CharField()
    shared_with = serializers.CharField(allow_null=True)


class MatrixRowSerializer(serializers.Serializer[Any]):
    group = serializers.CharField()
    key = serializers.CharField()
    cells = MatrixCellSerializer(many=True)


class MatrixSerializer(serializers.Serializer[Any]):
    """Every environment side by side; a secret has its version as value and no other."""

    environments = serializers.ListField(child=serializers.CharField())
    counts = serializers.DictField(child=serializers.IntegerField())
    rows = MatrixRowSerializer(many=True)


class MatrixViewSet(PortalViewSet[Environment]):
    queryset = Environment.objects.all()
    serializer_class = MatrixSerializer
    filter_backends = []
    pagination_class = None

    # The document's generator takes every `list` for an array.
    @extend_schema(parameters=[SHOW], responses=forced_singular_serializer(MatrixSerializer))  # type: ignore[no-untyped-call]  # its helpers have no types
    def list(self, request: Request) -> Response:
        matrix, rows = self._asked(request)
        return Response(as_document(matrix, rows))

    @extend_schema(parameters=[SHOW], responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=False, url_path="csv")
    def export(self, request: Request) -> HttpResponse:
        matrix, rows = self._asked(request)
        return HttpResponse(as_csv(matrix, rows), content_type="text/csv; charset=utf-8")

    def _asked(self, request: Request) -> tuple[Matrix, Sequence[Row]]:
        show = request.query_params.get("show", "all")
        if show not in SHOWN:
            raise Invalid(
                "input.invalid",
                f"There is nothing to show by {show!r}.",
                errors={"show": f"One of {', '.join(SHOWN)}."},
            )
        matrix = build_matrix().seen_by(self.actor)
        return matrix, shown_rows(matrix, show, "")
