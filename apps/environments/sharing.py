"""
What two environments use together: credentials, databases, addresses, URLs.

Everything is compared by its keyed digest, secrets by the one they are kept with; nothing is
opened, and no text here holds a credential.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator

from apps.environments.choices import Explained
from apps.environments.effective import all_settings, combine
from apps.environments.endpoints import credentials, endpoints
from apps.environments.homes import environment_home, expanded
from apps.environments.lookup import all_environments, all_explanations
from apps.environments.models import BaseSetting, Environment, Secret, Setting
from apps.environments.secrets import all_secrets, fingerprint


@dataclasses.dataclass(frozen=True)
class Use:
    """One use of a thing in an environment. `what` is `secret` or `endpoint`."""

    environment: Environment
    place: str
    what: str
    name: str
    digest: str
    strong: bool


@dataclasses.dataclass(frozen=True)
class Share:
    """The environment asked for uses at `place` what `other` uses at `other_place`."""

    what: str
    place: str
    name: str
    other: Environment
    other_place: str
    digest: str
    strong: bool
    # Why it is meant; empty while nobody said.
    note: str = ""

    def sentence(self) -> str:
        if self.what == "secret":
            return f"{self.place} has the same value as {self.other_place} of {self.other.slug}"
        return f"{self.place} is {self.name}, as {self.other_place} of {self.other.slug} is"


def uses() -> list[Use]:
    """Every credential and endpoint in use, by rank of its environment: five queries."""
    own, base = all_settings()
    found = [
        use
        for place in all_environments()
        for use in _in_settings(place, own.get(place.pk, []), base)
    ]
    return [*_in_secrets(), *found]


def _in_secrets() -> Iterator[Use]:
    """The newest version of every secret: older ones are in use no more."""
    newest: dict[tuple[int, str], Secret] = {}
    for row in all_secrets():
        newest[row.environment_id, row.key] = row
    for row in newest.values():
        yield Use(row.environment, row.key, "secret", row.key, row.fingerprint, strong=True)


def _in_settings(place: Environment, own: list[Setting], base: list[BaseSetting]) -> Iterator[Use]:
    rows = combine(own, base)
    values = expanded({row.key: row.value for row in rows}, environment_home(place))
    for at, value in credentials(values):
        yield Use(place, at, "secret", at, fingerprint(value), strong=True)
    own_keys = {row.key for row in rows if row.own is not None}
    for point in endpoints(values):
        # What all inherit from the base is common on purpose, unless both would write into it.
        if not point.strong and point.place.partition(".")[0].partition("[")[0] not in own_keys:
            continue
        digest = fingerprint(point.name)
        yield Use(place, point.place, "endpoint", point.name, digest, strong=point.strong)


def shares_of(environment: Environment) -> list[Share]:
    """What this environment shares, the explained ones among them, with their note."""
    return all_shares()[environment.pk]


def all_shares() -> dict[int, list[Share]]:
    """By environment: what it shares with which other one."""
    by_digest: dict[tuple[str, str], list[Use]] = defaultdict(list)
    for use in uses():
        by_digest[use.what, use.digest].append(use)
    notes = _notes()
    found: dict[int, list[Share]] = defaultdict(list)
    for group in by_digest.values():
        for one in group:
            for other in group:
                if one.environment.pk != other.environment.pk:
                    found[one.environment.pk].append(_share(one, other, notes))
    return found


def _share(one: Use, other: Use, notes: dict[tuple[int, str, str], str]) -> Share:
    note = notes.get((one.environment.pk, other.environment.slug, one.digest)) or notes.get(
        (other.environment.pk, one.environment.slug, one.digest), ""
    )
    return Share(
        one.what,
        one.place,
        one.name,
        other.environment,
        other.place,
        one.digest,
        one.strong and other.strong,
        note,
    )


def _notes() -> dict[tuple[int, str, str], str]:
    """An explanation of either environment counts, for the very thing it was given for."""
    return {
        (row.environment_id, row.subject, row.digest): row.note
        for row in all_explanations()
        if row.kind == Explained.SHARING
    }
