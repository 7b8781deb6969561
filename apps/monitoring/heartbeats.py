"""
Jobs that call in. The token is made from the key of the installation and the row's nonce, so that
no token is stored, and a new nonce makes the old one void.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from apps.monitoring.models import Check, Heartbeat


def make_heartbeat(row: Check) -> Heartbeat:
    """The heartbeat of a check, made when it is missing."""
    defaults = {"nonce": secrets.token_hex(16), "since": timezone.now()}
    return Heartbeat.objects.get_or_create(check_row=row, defaults=defaults)[0]


def token_of(beat: Heartbeat) -> str:
    """What the job calls with: the key of its check, and a proof."""
    return f"{beat.check_row_id}-{_proof(beat.check_row_id, beat.nonce)}"


def path_of(beat: Heartbeat) -> str:
    """Where the job calls, on this portal."""
    return f"/api/v1/monitoring/heartbeats/{token_of(beat)}/"


def take_call(token: str) -> Heartbeat | None:
    """
    Notes a call; None when the token is of nobody. A job that is not well is looked at with the
    next round, so that one that was late is well again within seconds.
    """
    key, _, proof = token.partition("-")
    if not key.isascii() or not key.isdigit() or len(key) > 18:
        return None
    beat = Heartbeat.objects.filter(check_row=int(key)).first()
    if beat is None or not hmac.compare_digest(_proof(int(key), beat.nonce), proof):
        return None
    now = timezone.now()
    Heartbeat.objects.filter(pk=beat.pk).update(called_at=now, calls=F("calls") + 1)
    ill = Check.objects.enabled().filter(pk=beat.check_row_id).exclude(health="healthy")
    ill.update(next_check_at=now)
    beat.refresh_from_db()
    return beat


def _proof(key: int, nonce: str) -> str:
    secret = hashlib.sha256(b"heartbeat" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(secret, f"{key}:{nonce}".encode(), hashlib.sha256).hexdigest()[:40]
