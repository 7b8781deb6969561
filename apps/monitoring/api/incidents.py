"""Incidents over REST, and Alertmanager's way in."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet, ReadOnlyViewSet
from apps.monitoring import services
from apps.monitoring.alerts import Alert
from apps.monitoring.models import Incident, IncidentEntry


class EntrySerializer(serializers.ModelSerializer[IncidentEntry]):
    """One line of the timeline."""

    class Meta:
        model = IncidentEntry
        fields = ["id", "at", "kind", "text", "by"]


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    """One time of trouble; `outage_at` is when it began to spend the error budget."""

    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    links = serializers.SerializerMethodField()

    class Meta:
        model = Incident
        fields = [
            "id", "environment", "source", "thing", "severity", "status", "reason", "opened_at",
            "outage_at", "closed_at", "acknowledged_at", "acknowledged_by", "silenced_until",
            "silenced_by", "links",
        ]  # fmt: skip

    def get_links(self, row: Incident) -> dict[str, str]:
        base = f"/api/v1/monitoring/incidents/{row.pk}/"
        page = f"/admin/monitoring/incident/{row.pk}/change/"
        return {"self": base, "timeline": f"{base}timeline/", "page": page}


class AcknowledgeInput(Input):
    comment = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class SilenceInput(Input):
    minutes = serializers.IntegerField(min_value=0, max_value=7 * 24 * 60)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class CloseInput(Input):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class IncidentViewSet(ReadOnlyViewSet[Incident]):
    queryset = Incident.objects.select_related("environment")
    serializer_class = IncidentSerializer
    lookup_value_regex = r"\d{1,18}"
    filters = {
        "environment": "environment__slug",
        "status": "status",
        "severity": "severity",
        "source": "source",
    }

    @extend_schema(responses=EntrySerializer(many=True))
    @action(detail=True, filters={}, orderings=("id",))
    def timeline(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF names it
        """What happened in it, newest first."""
        row = self.get_object()
        page = self.paginate_queryset(self.filter_queryset(row.entries.all()))  # type: ignore[arg-type]  # lines of the incident
        return self.get_paginated_response(EntrySerializer(page, many=True).data)

    @extend_schema(request=AcknowledgeInput)
    @action(detail=True, methods=["post"])
    def acknowledge(self, _request: Request, pk: str) -> Response:
        """Somebody looks at it."""
        return self._done(services.acknowledge_incident, pk, self.body(AcknowledgeInput))

    @extend_schema(request=SilenceInput)
    @action(detail=True, methods=["post"])
    def silence(self, _request: Request, pk: str) -> Response:
        """Nobody is told of it for so many minutes; 0 lifts the silence."""
        return self._done(services.silence_incident, pk, self.body(SilenceInput))

    @extend_schema(request=CloseInput)
    @action(detail=True, methods=["post"])
    def close(self, _request: Request, pk: str) -> Response:
        """Ends an alarm of the portal; others close when they are over."""
        return self._done(services.close_incident, pk, self.body(CloseInput))

    def _done(self, verb: Any, pk: str, body: dict[str, Any]) -> Response:
        row = verb(self.actor, incident_id=int(pk), **body)
        return Response(self.get_serializer(row).data)


class AlertSerializer(serializers.Serializer[Any]):
    """One alert as Alertmanager sends it; what else it sends is not read."""

    status = serializers.ChoiceField(choices=["firing", "resolved"])
    fingerprint = serializers.RegexField(r"^[0-9a-f]{1,64}$")
    startsAt = serializers.DateTimeField()  # noqa: N815 - Alertmanager's word
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    annotations = serializers.DictField(
        child=serializers.CharField(allow_blank=True), required=False
    )

    def validate_labels(self, labels: dict[str, str]) -> dict[str, str]:
        if not labels.get("environment"):
            raise serializers.ValidationError("An alert names its environment in a label.")
        return labels


class AlertsInput(serializers.Serializer[Any]):
    version = serializers.ChoiceField(choices=["4"])
    alerts = AlertSerializer(many=True)

    def validate_alerts(self, alerts: list[Any]) -> list[Any]:
        if len(alerts) > 1000:
            raise serializers.ValidationError("At most 1000 alerts come at once.")
        return alerts


class TakenSerializer(serializers.Serializer[Any]):
    opened = serializers.IntegerField()
    closed = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Said before, or out of order.")


class AlertViewSet(PortalViewSet[Incident]):
    """Where Alertmanager's webhook posts to, with a token that may write."""

    queryset = Incident.objects.none()
    serializer_class = AlertsInput
    filters: ClassVar[dict[str, str]] = {}

    @extend_schema(request=AlertsInput, responses=TakenSerializer)
    def create(self, _request: Request) -> Response:
        """Firing opens an incident, resolved closes it; the same twice changes nothing."""
        alerts = [_alert(each) for each in self.body(AlertsInput)["alerts"]]
        return Response(services.receive_alerts(self.actor, alerts=alerts))


def _alert(given: dict[str, Any]) -> Alert:
    labels, notes = given["labels"], given.get("annotations") or {}
    name = labels.get("alertname", "alert")
    thing = labels.get("server") or labels.get("name") or labels.get("instance", "")
    return Alert(
        environment=labels["environment"],
        fingerprint=given["fingerprint"],
        occurrence=given["startsAt"].isoformat(),
        firing=given["status"] == "firing",
        name=f"{name} {thing}".strip(),
        severity=labels.get("severity", ""),
        summary=notes.get("summary") or notes.get("description") or f"{name} is firing.",
    )
