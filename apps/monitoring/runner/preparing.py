"""From rows to looks: rules, secrets and facts that a look needs and a probe must not fetch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.addresses import Rules, parse_rules
from apps.core.errors import PortalError
from apps.environments.models import Environment
from apps.environments.secrets import open_secrets
from apps.monitoring.choices import CheckKind
from apps.monitoring.models import AllowedRange, Check, Heartbeat
from apps.monitoring.probes import Look
from apps.monitoring.runner.claiming import Claim

# Seconds for which rules and opened secrets are taken as they were.
KEPT = 5.0
_rules: dict[tuple[int | None, bool], tuple[float, Rules]] = {}
# Database servers are asked with credentials that an administrator gave: they may be our own.
WITH_CREDENTIALS = frozenset({CheckKind.POSTGRES, CheckKind.REDIS})


def looks_of(claims: Iterable[Claim]) -> list[Look]:
    """One look for each claim, at its moment."""
    claims = list(claims)
    rows = [claim.row for claim in claims]
    facts = _heartbeats(rows)
    secrets = _secrets(rows)
    return [
        Look(
            row.pk,
            row.kind,
            row.parameters,
            row.time_limit,
            row.memory,
            rules_of(row),
            secrets.get(row.environment_id, {}) if _named(row) else {},
            facts.get(row.pk, {}),
            claim.moment.timestamp(),
        )
        for claim, row in zip(claims, rows, strict=True)
    ]


def rules_of(row: Check) -> Rules:
    """What a check may reach."""
    return rules_in(row.environment_id, with_credentials=row.kind in WITH_CREDENTIALS)


def rules_in(environment_id: int | None, *, with_credentials: bool = False) -> Rules:
    """
    What an environment's looks and messages may reach; without one, what the installation allows.
    The portal's own servers are among it only for looks that bring an administrator's credentials.
    """
    key = environment_id, with_credentials
    at, rules = _rules.get(key, (0.0, None))
    if rules is None or time.monotonic() - at > KEPT:
        own = AllowedRange.objects.filter(environment=environment_id) if environment_id else None
        ranges = list(own.values_list("network", "ports")) if own is not None else []
        ranges = ranges or [(network, []) for network in settings.PROBE_RANGES]
        rules = parse_rules(ranges, () if with_credentials else own_servers())
        _rules[key] = (time.monotonic(), rules)
    return rules


def forget_rules() -> None:
    """After a change in this process; others follow within five seconds."""
    _rules.clear()


def own_servers() -> set[tuple[str, int]]:
    """The portal's database and broker: no check over HTTP or TCP is pointed at them."""
    found = [
        (str(database["HOST"]), int(database.get("PORT") or 5432))
        for database in settings.DATABASES.values()
        if database.get("HOST")
    ]
    for url in (settings.CELERY_BROKER_URL, getattr(settings, "REDIS_URL", "")):
        parts = urlsplit(url or "")
        if parts.hostname:
            found.append((parts.hostname, parts.port or 6379))
    local = {"localhost": ("127.0.0.1", "::1")}
    return {(address, port) for host, port in found for address in local.get(host, (host,))}


def _named(row: Check) -> list[str]:
    return [value for name, value in row.parameters.items() if name.endswith("_secret")]


def _secrets(rows: list[Check]) -> dict[int, dict[str, str]]:
    """By environment, only the secrets that its checks name. What does not open is missing."""
    wanted: dict[int, set[str]] = {}
    for row in rows:
        if names := _named(row):
            wanted.setdefault(row.environment_id, set()).update(names)
    found: dict[int, dict[str, str]] = {}
    for place in Environment.objects.filter(pk__in=wanted) if wanted else ():
        opened = found.setdefault(place.pk, {})
        try:
            for secret, value in open_secrets(place):
                if secret.key in wanted[place.pk]:
                    opened[secret.key] = value
        except PortalError:
            continue
    return found


def _heartbeats(rows: list[Check]) -> dict[int, dict[str, Any]]:
    keys = [row.pk for row in rows if row.kind == CheckKind.HEARTBEAT]
    if not keys:
        return {}
    return {
        beat.check_row_id: {
            "called_at": beat.called_at.timestamp() if beat.called_at else None,
            "since": beat.since.timestamp(),
        }
        for beat in Heartbeat.objects.filter(check_row__in=keys)
    }
