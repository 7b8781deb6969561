"""What every page knows: the installation's name, the time, the actor."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from apps.core.permissions import NOBODY


def portal(request: HttpRequest) -> dict[str, Any]:
    return {
        "portal_name": settings.PORTAL_NAME,
        "portal_version": settings.PORTAL_VERSION,
        "as_of": timezone.now(),
        "actor": getattr(request, "actor", NOBODY),
    }
