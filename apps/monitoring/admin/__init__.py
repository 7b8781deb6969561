"""Monitoring in the admin."""

from apps.monitoring.admin.checks import CheckAdmin
from apps.monitoring.admin.incidents import IncidentAdmin
from apps.monitoring.admin.ranges import AllowedRangeAdmin
from apps.monitoring.admin.routes import AlertRouteAdmin, DeliveryAdmin

__all__ = ["AlertRouteAdmin", "AllowedRangeAdmin", "CheckAdmin", "DeliveryAdmin", "IncidentAdmin"]
