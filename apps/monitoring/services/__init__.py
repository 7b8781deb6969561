"""Verbs of monitoring."""

from apps.monitoring.services.checking import (
    register_check,
    request_checks,
    retire_check,
    set_check_enabled,
)
from apps.monitoring.services.incidents import (
    acknowledge_incident,
    close_incident,
    end_alarm,
    raise_alarm,
    receive_alerts,
    silence_incident,
)
from apps.monitoring.services.reaching import allow_range, renew_heartbeat, withdraw_range
from apps.monitoring.services.routing import (
    edit_route,
    make_route,
    remove_route,
    send_test_message,
    set_route_enabled,
)

__all__ = [
    "acknowledge_incident",
    "allow_range",
    "close_incident",
    "edit_route",
    "end_alarm",
    "make_route",
    "raise_alarm",
    "receive_alerts",
    "register_check",
    "remove_route",
    "renew_heartbeat",
    "request_checks",
    "retire_check",
    "send_test_message",
    "set_check_enabled",
    "set_route_enabled",
    "silence_incident",
    "withdraw_range",
]
