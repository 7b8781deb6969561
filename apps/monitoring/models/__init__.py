"""Rows of monitoring: what is watched, what was found, what is wrong, and who hears of it."""

from apps.monitoring.models.check import Check, CheckResult
from apps.monitoring.models.incident import Incident, IncidentEntry
from apps.monitoring.models.probing import AllowedRange, CheckHour, Heartbeat, RoundTick
from apps.monitoring.models.route import AlertRoute, Delivery

__all__ = [
    "AlertRoute",
    "AllowedRange",
    "Check",
    "CheckHour",
    "CheckResult",
    "Delivery",
    "Heartbeat",
    "Incident",
    "IncidentEntry",
    "RoundTick",
]
