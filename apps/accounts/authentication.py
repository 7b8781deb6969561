"""`Authorization: Bearer op_<key>_<secret>`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts.actors import actor_for_token
from apps.accounts.tokens import find_token

# One write a minute is enough to see which tokens are in use.
USE_NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """Sets `request.user` to the token's owner and `request.auth` to the token's actor."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        kind, _, text = get_authorization_header(request).partition(b" ")
        if kind.lower() != b"bearer":
            return None
        token = find_token(text.decode("latin-1").strip())
        if token is None:
            raise AuthenticationFailed(
                "This token is unknown, expired or revoked. Make a new one with"
                " `manage.py create_token USER`."
            )
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
            type(token).objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, actor_for_token(token)

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="api"'
