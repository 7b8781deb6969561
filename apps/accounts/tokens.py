"""The text of a token and its digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from apps.accounts.models import Token

PREFIX = "op"


def new_token_text() -> tuple[str, str, str]:
    """(key, digest, whole text); the text is shown once and never stored."""
    key, secret = secrets.token_hex(6), secrets.token_hex(24)
    return key, digest_of(secret), f"{PREFIX}_{key}_{secret}"


def digest_of(secret: str) -> str:
    """SHA-256 is enough: the secret has 192 random bits, there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token(text: str) -> Token | None:
    """The usable token of an active person, or None; compared in constant time."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != PREFIX:
        return None
    token = Token.objects.select_related("user").filter(key=parts[1]).first()
    if token is None or not hmac.compare_digest(token.digest, digest_of(parts[2])):
        return None
    return token if token.is_usable and token.user.is_active else None
