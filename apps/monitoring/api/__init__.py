"""Monitoring over REST."""

from apps.monitoring.api.checks import CheckViewSet
from apps.monitoring.api.incidents import AlertViewSet, IncidentViewSet
from apps.monitoring.api.reaching import CallView, RangeViewSet
from apps.monitoring.api.routes import DeliveryViewSet, RouteViewSet
from apps.monitoring.api.targets import TargetViewSet

__all__ = [
    "AlertViewSet",
    "CallView",
    "CheckViewSet",
    "DeliveryViewSet",
    "IncidentViewSet",
    "RangeViewSet",
    "RouteViewSet",
    "TargetViewSet",
]
