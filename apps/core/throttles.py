"""How often one actor may ask. Counted in the process's cache: a brake, not a security control."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from apps.core.permissions import Actor


class ActorThrottle(SimpleRateThrottle):
    """`API_RATE` per person or token, `API_RATE_ANONYMOUS` per address without a login."""

    scope = "actor"

    def get_rate(self) -> str:
        return str(settings.API_RATE)

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            self.rate = str(settings.API_RATE_ANONYMOUS)
            self.num_requests, self.duration = self.parse_rate(self.rate)
        return bool(super().allow_request(request, view))

    def get_cache_key(self, request: Request, _view: Any) -> str:
        if isinstance(request.auth, Actor):
            return f"throttle:{request.auth.kind}:{request.auth.id}"
        if request.user and request.user.is_authenticated:
            return f"throttle:user:{request.user.pk}"
        return f"throttle:address:{self.get_ident(request)}"
