"""Verbs on environments, their settings, secrets, ports, protections and freezes."""

from apps.environments.services.allocating import allocate_port, release_port
from apps.environments.services.comparing import explain_difference
from apps.environments.services.creating import create_environment
from apps.environments.services.explaining import (
    explain_production_host,
    explain_sharing,
    withdraw_explanation,
)
from apps.environments.services.freezing import edit_freeze, freeze_environment, lift_freeze
from apps.environments.services.locking import lock_environment, unlock_environment
from apps.environments.services.opening import add_window, edit_window, end_window
from apps.environments.services.protecting import set_protection
from apps.environments.services.securing import set_secret
from apps.environments.services.setting import (
    remove_base_setting,
    remove_setting,
    set_base_setting,
    set_setting,
)
from apps.environments.services.sourcing import remove_program_source, set_program_source
from apps.environments.services.starting import STARTED, record_start
from apps.environments.services.stopping import lift_stop, stop_the_line
from apps.environments.services.validating import check_setup, validate_environment

__all__ = [
    "STARTED",
    "add_window",
    "allocate_port",
    "check_setup",
    "create_environment",
    "edit_freeze",
    "edit_window",
    "end_window",
    "explain_difference",
    "explain_production_host",
    "explain_sharing",
    "freeze_environment",
    "lift_freeze",
    "lift_stop",
    "lock_environment",
    "record_start",
    "release_port",
    "remove_base_setting",
    "remove_program_source",
    "remove_setting",
    "set_base_setting",
    "set_program_source",
    "set_protection",
    "set_secret",
    "set_setting",
    "stop_the_line",
    "unlock_environment",
    "validate_environment",
    "withdraw_explanation",
]
