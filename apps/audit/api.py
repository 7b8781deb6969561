"""REST: the record of who did what, for those who may read it."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from apps.audit.models import AuditEvent
from apps.core.api import ReadOnlyViewSet


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    detail = serializers.DictField()

    class Meta:
        model = AuditEvent
        fields = [
            "id", "at", "event", "actor_kind", "actor_id", "actor_name", "environment",
            "object_type", "object_id", "object_name", "detail", "request_id",
        ]  # fmt: skip


class AuditEventViewSet(ReadOnlyViewSet[AuditEvent]):
    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filters: ClassVar[dict[str, str]] = {
        "event": "event",
        "environment": "environment",
        "actor_name": "actor_name",
        "actor_kind": "actor_kind",
        "object_type": "object_type",
        "object_id": "object_id",
        "request_id": "request_id",
    }
    lookup_value_regex = r"\d{1,18}"
