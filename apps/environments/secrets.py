"""Opening secrets: only for the run process and for probes, never for a page or the API."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from django.conf import settings

from apps.core.remembering import once
from apps.core.sealing import unseal
from apps.environments.models import Environment, Secret

LONGEST_SECRET = 65_536
# Days.
LONGEST_ROTATION = 3650


def newest_secrets(environment: Environment) -> list[Secret]:
    """The newest version of each secret, without its value."""
    newest: dict[str, Secret] = {}
    for row in Secret.objects.filter(environment=environment).order_by("key", "version"):
        newest[row.key] = row
    return list(newest.values())


@once
def all_secrets() -> list[Secret]:
    """Every version of every environment's secrets, by rank, key and version, without values."""
    rows = Secret.objects.select_related("environment").defer("sealed")
    return list(rows.order_by("environment__rank", "key", "version"))


def open_secrets(environment: Environment) -> Iterator[tuple[Secret, str]]:
    """Each secret in use with its value. Raises OurFault when the key ring does not open it."""
    for row in newest_secrets(environment):
        yield row, unseal(row.sealed, secret_identity(environment.slug, row.key, row.version))


def secret_identity(environment: str, key: str, version: int) -> str:
    """What a secret's ciphertext is bound to."""
    return f"secret:{environment}:{key}:{version}"


def fingerprint(value: str) -> str:
    """Keyed digest: equal secrets have equal ones, and it tells nothing about the value."""
    key = hashlib.sha256(b"secret fingerprint" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()
