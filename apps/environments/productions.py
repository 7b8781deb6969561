"""Production's hosts in a lower environment's settings: refused, unless somebody said why."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from apps.core.errors import Refused
from apps.environments.choices import Explained, Tier
from apps.environments.effective import effective_values
from apps.environments.endpoints import hosts, says_nothing
from apps.environments.models import Environment, Explanation

# Parts of a name that say whose it is, whatever production's settings hold today.
NAMES = frozenset({"prod", "production", "prd"})
PARTS = re.compile(r"[.\-_:/]")
NAMED = ("database.name", "database.user")


@dataclasses.dataclass(frozen=True)
class OfProduction:
    """`host` (or name) at `place` is production's; `of` says by whose settings or name."""

    place: str
    host: str
    of: str


def production_hosts() -> dict[str, str]:
    """Host → the production environment whose settings name it."""
    found = {}
    for place in Environment.objects.filter(tier=Tier.PRODUCTION):
        for key, value in effective_values(place).items():
            for _, host in hosts(key, value):
                if not says_nothing(host):
                    found[host] = place.slug
    return found


def production_values(place: Environment, values: dict[str, Any]) -> list[OfProduction]:
    """What in these settings of a lower environment is production's and was not explained."""
    if place.is_production:
        return []
    known = production_hosts()
    found = [entry for key, value in values.items() for entry in _looked(key, value, known)]
    if not found:
        return []
    rows = Explanation.objects.filter(environment=place, kind=Explained.PRODUCTION)
    explained = set(rows.values_list("subject", flat=True))
    return [entry for entry in found if entry.host not in explained]


def _looked(key: str, value: Any, known: dict[str, str]) -> Iterator[OfProduction]:
    for at, host in [*hosts(key, value), *_names(key, value)]:
        if host in known:
            yield OfProduction(at, host, known[host])
        elif NAMES & set(PARTS.split(host.lower())):
            yield OfProduction(at, host, "production, by its name")


def _names(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Names of databases and roles, which tell as much as a host."""
    if isinstance(value, dict):
        for place in NAMED:
            section, _, name = place.partition(".")
            if section == key and isinstance(value.get(name), str):
                yield place, value[name]


def refuse_production(place: Environment, key: str, value: Any) -> None:
    """Raises Refused (`setting.production_value`) naming what is production's."""
    found = production_values(place, {key: value})
    if not found:
        return
    first = found[0]
    raise Refused(
        "setting.production_value",
        f"The setting was not changed: {first.place} names {first.host}, which belongs to"
        f" {first.of}, and {place.slug} is of tier {place.tier}.",
        next_step=f"Name a host of {place.slug}'s own, or let an admin explain {first.host} for"
        f" {place.slug} first, and set it again.",
        blocked_by=[
            {
                "code": "setting.production_value",
                "detail": f"{entry.place} names {entry.host}, which belongs to {entry.of}.",
            }
            for entry in found
        ],
    )
