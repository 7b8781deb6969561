"""The look at the installation over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.environments.api import ValidationSerializer
from apps.environments.models import Validation
from apps.environments.reports import shown_items
from apps.environments.services import check_setup


class SetupInput(Input):
    production_ready = serializers.BooleanField(required=False, default=False)


class SetupViewSet(PortalViewSet[Validation]):
    queryset = Validation.objects.all()
    serializer_class = ValidationSerializer
    filter_backends = []

    @extend_schema(request=SetupInput, responses=ValidationSerializer)
    def create(self, _request: Request) -> Response:
        """Looks at the installation; with `production_ready` at every environment, too."""
        row = check_setup(self.actor, **self.body(SetupInput))
        items = shown_items(self.actor, row)
        found = {"id": row.pk, "at": row.at, "status": row.status, "items": items}
        return Response(ValidationSerializer(found).data)
