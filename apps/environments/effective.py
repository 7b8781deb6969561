"""
What the settings of an environment come to: a base for all of them, and over it its own.

Maps are merged key by key at any depth, anything else replaces; `null` inside an own map takes an
inherited key away (RFC 7386).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from apps.core.remembering import once
from apps.environments.choices import Origin
from apps.environments.models import BaseSetting, Environment, Setting


@dataclasses.dataclass(frozen=True)
class Effective:
    """One setting as the program gets it, with the rows it comes from."""

    key: str
    kind: str
    value: Any
    own: Setting | None
    base: BaseSetting | None

    @property
    def origin(self) -> Origin:
        if self.own is None:
            return Origin.BASE
        return Origin.OWN if self.base is None else Origin.BOTH

    @property
    def row(self) -> Setting | BaseSetting:
        """The row that was changed last for this environment's sake."""
        row = self.own or self.base
        assert row is not None  # one of them made this
        return row

    def origin_of(self, path: Iterable[str]) -> Origin:
        """Where one value inside comes from, by the keys that lead to it."""
        if self.own is None:
            return Origin.BASE
        value: Any = self.own.value
        for key in path:
            if not isinstance(value, dict):
                return Origin.OWN
            if key not in value:
                return Origin.BASE
            value = value[key]
        return Origin.OWN


def merged(base: Any, own: Any) -> Any:
    """Own over base."""
    if not isinstance(own, dict):
        return own
    found = dict(base) if isinstance(base, dict) else {}
    for key, value in own.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def combine(own: Iterable[Setting], base: Iterable[BaseSetting]) -> list[Effective]:
    """Rows of one environment over the rows of the base, by key."""
    mine = {row.key: row for row in own}
    common = {row.key: row for row in base}
    found = []
    for key in sorted(mine.keys() | common.keys()):
        here, there = mine.get(key), common.get(key)
        if here is None and there is not None:
            found.append(Effective(key, there.kind, there.value, None, there))
        elif here is not None:
            # A top-level null is a value like any other; only inside a map it takes away.
            value = merged(there.value, here.value) if there else here.value
            found.append(Effective(key, here.kind, value, here, there))
    return found


@once
def effective_settings(environment: Environment) -> list[Effective]:
    """Every setting of the environment, inherited ones among them, by key."""
    return combine(environment.settings.all(), BaseSetting.objects.all())


@once
def all_settings() -> tuple[dict[int, list[Setting]], list[BaseSetting]]:
    """Own settings by environment, and the base: what `combine` takes."""
    own: dict[int, list[Setting]] = defaultdict(list)
    for row in Setting.objects.all():
        own[row.environment_id].append(row)
    return own, list(BaseSetting.objects.all())


def effective_values(environment: Environment) -> dict[str, Any]:
    """Key → value as the program gets it, `{home}` not yet filled in."""
    return {row.key: row.value for row in effective_settings(environment)}
