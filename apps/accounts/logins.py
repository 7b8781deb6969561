"""
The brake on guessing passwords: counted in the database, by name and network, then by network. A
lock grows with each failure and always ends; nobody can lock a person out from elsewhere, for the
name alone is never counted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import LoginFailure

# Failures before the first lock: of one name from one network, of all names from one network.
FREE_PER_NAME, FREE_PER_NETWORK = 5, 50
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(minutes=15)
# After a quiet hour counting begins anew.
FORGOTTEN = timedelta(hours=1)


def locked_until(name: str, address: str) -> datetime | None:
    """Until when no password of this name is looked at from there; None when it is."""
    keys = [key for key, _ in _counters(name, address)]
    rows = LoginFailure.objects.filter(key__in=keys, locked_until__gt=timezone.now())
    return max((row.locked_until for row in rows if row.locked_until), default=None)


def note_failure(name: str, address: str) -> None:
    """Counts a wrong password and locks past the free ones, twice as long each time."""
    now = timezone.now()
    LoginFailure.objects.filter(last_at__lt=now - FORGOTTEN).delete()
    for key, free in _counters(name, address):
        with transaction.atomic():
            LoginFailure.objects.get_or_create(key=key, defaults={"last_at": now})
            LoginFailure.objects.filter(key=key).update(failures=F("failures") + 1, last_at=now)
            over = LoginFailure.objects.get(key=key).failures - free
            if over >= 0:
                lock = min(FIRST_LOCK * 2 ** min(over, 10), LONGEST_LOCK)
                LoginFailure.objects.filter(key=key).update(locked_until=now + lock)


def note_success(name: str, address: str) -> None:
    """The name's count from there begins anew; the network's does not."""
    key = next(_counters(name, address))[0]
    LoginFailure.objects.filter(key=key).delete()


def _counters(name: str, address: str) -> Iterator[tuple[str, int]]:
    network = _network(address)
    yield f"{network} {name.casefold()}"[:200], FREE_PER_NAME
    yield network, FREE_PER_NETWORK


def _network(address: str) -> str:
    """One IPv4 address, or the /64 that one subscriber has in IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


class LoginForm(AdminAuthenticationForm):
    """The admin's own form behind the brake; a locked name learns until when."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        name, address = self.data.get("username", ""), self.request.META.get("REMOTE_ADDR", "")
        until = locked_until(name, address)
        if until is not None:
            raise ValidationError(
                f"Too many wrong passwords for this name from here. Locked until"
                f" {until:%H:%M:%S} UTC; no password is looked at before.",
                code="locked",
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            note_failure(name, address)
            raise
        note_success(name, address)
        return cleaned or {}
