"""Ports of an environment over REST: who may listen, who does, what is free."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.core.errors import NotFound
from apps.environments.choices import PortState
from apps.environments.lookup import find_environment
from apps.environments.models import Environment
from apps.environments.port_states import described, free_after
from apps.environments.services import allocate_port, release_port

PROTOCOLS = ["tcp", "udp"]
FIRST = 1024


class HolderSerializer(serializers.Serializer[Any]):
    pid = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()


class PortSerializer(serializers.Serializer[Any]):
    """A port with what is there now."""

    id = serializers.IntegerField()
    environment = serializers.CharField(allow_null=True)
    host = serializers.CharField()
    protocol = serializers.ChoiceField(PROTOCOLS)
    port = serializers.IntegerField()
    owner = serializers.CharField()
    note = serializers.CharField()
    state = serializers.ChoiceField(PortState.choices)
    holders = HolderSerializer(many=True)


class PortInput(Input):
    """Without a port the next free one above 1024 is taken."""

    host = serializers.CharField(required=False, max_length=100, default="127.0.0.1")
    protocol = serializers.ChoiceField(PROTOCOLS, required=False, default="tcp")
    port = serializers.IntegerField(required=False, min_value=1, max_value=65535)
    owner = serializers.CharField(max_length=80)
    note = serializers.CharField(required=False, max_length=200, default="", allow_blank=True)


class FreePortInput(Input):
    host = serializers.CharField(required=False, max_length=100, default="127.0.0.1")
    protocol = serializers.ChoiceField(PROTOCOLS, required=False, default="tcp")
    after = serializers.IntegerField(
        required=False, min_value=FIRST, max_value=65534, default=FIRST
    )


class FreePortSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    protocol = serializers.CharField()
    port = serializers.IntegerField(allow_null=True)


class PortsViewSet(PortalViewSet[Environment]):
    """`…/ports/` of one environment."""

    queryset = Environment.objects.all()
    serializer_class = PortSerializer
    lookup_field = "slug"
    pagination_class = None

    @extend_schema(responses=PortSerializer(many=True))
    @action(detail=True, url_path="ports")
    def ports(self, _request: Request, slug: str) -> Response:
        rows = find_environment(self.actor, slug).ports.select_related("environment")
        return Response(PortSerializer(described(rows), many=True).data)

    @extend_schema(request=PortInput, responses={201: PortSerializer})
    @ports.mapping.post
    def allocate(self, _request: Request, slug: str) -> Response:
        """Claims a port; one that somebody has or that a stranger holds is refused by name."""
        body = self.body(PortInput)
        if "port" not in body:
            body["port"] = free_after(body["host"], FIRST, body["protocol"]) or FIRST
        row = allocate_port(self.actor, environment=slug, look=True, **body)
        found: list[Any] = described([row])
        return Response(PortSerializer(found[0]).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FreePortInput, responses=FreePortSerializer)
    @action(detail=True, methods=["post"], url_path="ports/free")
    def free(self, _request: Request, slug: str) -> Response:
        """The next port that nobody has allocated and nobody listens on; claims nothing."""
        find_environment(self.actor, slug)
        body = self.body(FreePortInput)
        found: dict[str, Any] = {
            "host": body["host"],
            "protocol": body["protocol"],
            "port": free_after(body["host"], body["after"], body["protocol"]),
        }
        return Response(FreePortSerializer(found).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path=r"ports/(?P<number>[0-9]{1,18})")
    def release(self, _request: Request, slug: str, number: str) -> Response:
        row = find_environment(self.actor, slug).ports.filter(pk=int(number)).first()
        if row is None:
            raise NotFound("port.unknown", f"{slug} has no port with the id {number}.")
        release_port(
            self.actor, environment=slug, host=row.host, port=row.port, protocol=row.protocol
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
