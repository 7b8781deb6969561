"""Settings, secrets and protection on the page of an environment, and who may not change them."""

from __future__ import annotations

from typing import Any

from apps.core.confirming import why_not
from apps.core.permissions import Actor
from apps.environments.effective import effective_settings
from apps.environments.models import Environment
from apps.environments.secrets import newest_secrets

RIGHTS = ("edit_settings", "edit_secrets", "edit_protection")


def of_environment(actor: Actor, place: Environment) -> dict[str, Any]:
    """Rows of the two cards; `rule_refusals` has None where the actor may change them."""
    refusals = {right: why_not(actor, right, place.slug) for right in RIGHTS}
    return {
        "settings_rows": effective_settings(place),
        "program_source": getattr(place, "program_source", None),
        "secret_rows": newest_secrets(place),
        "rule_refusals": refusals,
        "refused_rules": [no for right in RIGHTS[:2] if (no := refusals[right])],
    }
