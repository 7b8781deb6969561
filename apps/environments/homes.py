"""Where the real things of an environment lie on this host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from apps.environments.models import Environment


def environment_home(environment: Environment) -> Path:
    """The folder of the environment's real things."""
    return Path(settings.ORCHESTRA_HOME) / "environments" / environment.slug


def expanded(value: Any, home: Path) -> Any:
    """`{home}` in texts at any depth becomes the environment's folder."""
    if isinstance(value, str):
        return value.replace("{home}", str(home))
    if isinstance(value, dict):
        return {key: expanded(item, home) for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item, home) for item in value]
    return value
