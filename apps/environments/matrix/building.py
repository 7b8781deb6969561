"""
The matrix: each line held against the highest environment, each difference with its reason or
without one.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from apps.core.permissions import Actor
from apps.environments.choices import Explained
from apps.environments.lookup import all_environments, all_explanations
from apps.environments.matrix.facts import Fact, Line, read_lines
from apps.environments.models import Environment
from apps.environments.secrets import fingerprint
from apps.environments.sharing import Share, all_shares


class State(enum.StrEnum):
    """What one cell is: alike the highest environment, different, or nothing to compare."""

    SAME = "same"
    INTENDED = "intended"
    UNEXPLAINED = "unexplained"
    # Nothing here, and a line above says why.
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value of one environment; `fact` is None where it has none."""

    environment: Environment
    fact: Fact | None
    state: State
    note: str = ""
    shared_with: str = ""
    shared_place: str = ""

    @property
    def differs(self) -> bool:
        return self.state in (State.INTENDED, State.UNEXPLAINED)

    @property
    def text(self) -> str:
        return self.fact.text if self.fact else "not set"


@dataclasses.dataclass(frozen=True)
class Row:
    group: str
    key: str
    cells: list[Cell]

    def has(self, *states: State) -> bool:
        return any(cell.state in states for cell in self.cells)


@dataclasses.dataclass(frozen=True)
class Matrix:
    environments: list[Environment]
    rows: list[Row]

    def counts(self) -> Counter[State]:
        """Cells by state."""
        return Counter(cell.state for row in self.rows for cell in row.cells)

    def seen_by(self, actor: Actor) -> Matrix:
        """The columns that the actor may see; a share with another one keeps its mark only."""
        visible = actor.visible_environments()
        if visible is None:
            return self
        places = [place for place in self.environments if place.slug in visible]
        rows = [
            Row(
                row.group,
                row.key,
                [_masked(cell, visible) for cell in row.cells if cell.environment in places],
            )
            for row in self.rows
        ]
        return Matrix(places, [row for row in rows if any(cell.fact for cell in row.cells)])


def _masked(cell: Cell, visible: frozenset[str]) -> Cell:
    if cell.shared_with and cell.shared_with not in visible:
        return dataclasses.replace(cell, shared_with="another environment", shared_place="")
    return cell


def build_matrix() -> Matrix:
    """All environments by rank, whoever asks: the highest is what the others are held against."""
    places = all_environments()
    lines = read_lines(places)
    if not places:
        return Matrix([], [])
    builder = _Builder(places, lines)
    return Matrix(places, [builder.row(line) for line in lines])


def difference_digest(here: Fact | None, reference: Fact | None) -> str:
    """Keyed digest of the two values that differ: an explanation holds for them alone."""
    pair = [_plain(here), _plain(reference)]
    return fingerprint(json.dumps(pair, sort_keys=True, ensure_ascii=False))


def _plain(fact: Fact | None) -> Any:
    return None if fact is None else [fact.value]


class _Builder:
    def __init__(self, places: Sequence[Environment], lines: Sequence[Line]) -> None:
        self.places = places
        self.reference = places[-1]
        self.lines = {line.key: line for line in lines}
        self.shares = all_shares()
        self.notes = {
            (row.environment_id, row.key, row.digest): row.note
            for row in all_explanations()
            if row.kind == Explained.DIFFERENCE
        }

    def row(self, line: Line) -> Row:
        judge = self._difference if line.compared else self._sharing
        return Row(line.group, line.key, [judge(line, place) for place in self.places])

    def _difference(self, line: Line, place: Environment) -> Cell:
        here, there = line.facts.get(place.pk), line.facts.get(self.reference.pk)
        if _plain(here) == _plain(there):
            return Cell(place, here, State.SAME if here else State.ABSENT)
        note = self.notes.get((place.pk, line.key, difference_digest(here, there)), "")
        note = note or (here.note if here else "")
        if note:
            return Cell(place, here, State.INTENDED, note)
        if (here is None or there is None) and self._governed(line, place):
            return Cell(place, here, State.SAME if here else State.ABSENT)
        return Cell(place, here, State.UNEXPLAINED)

    def _governed(self, line: Line, place: Environment) -> bool:
        """Whether the line that decides about this one differs already."""
        governor = self.lines.get(line.governor)
        if governor is None:
            return False
        here, there = governor.facts.get(place.pk), governor.facts.get(self.reference.pk)
        return bool(_plain(here) != _plain(there))

    def _sharing(self, line: Line, place: Environment) -> Cell:
        fact = line.facts.get(place.pk)
        share = self._share(line, place) if fact else None
        if share is None:
            return Cell(place, fact, State.SAME if fact else State.ABSENT)
        state = State.INTENDED if share.note else State.UNEXPLAINED
        return Cell(place, fact, state, share.note, share.other.slug, share.place)

    def _share(self, line: Line, place: Environment) -> Share | None:
        """What is shared with another environment; one that nobody explained comes first."""
        key = line.key.removeprefix("secrets.")
        rows = [row for row in self.shares[place.pk] if row.what == "secret" and row.place == key]
        return next((row for row in rows if not row.note), rows[0] if rows else None)


@dataclasses.dataclass(frozen=True)
class Difference:
    """One line that nobody explained, between an environment and the one below."""

    key: str
    here: str
    below: str
    other: str

    def sentence(self, slug: str) -> str:
        if not self.other:
            return f"{self.key}: {self.here} in {slug}."
        return f"{self.key}: {self.here} in {slug}, {self.below} in {self.other}."


def differences_before(environment: Environment) -> list[Difference]:
    """
    What nobody has explained about the way from the environment below into this one; empty for the
    lowest.
    """
    lower = [row for row in all_environments() if row.rank < environment.rank]
    if not lower:
        return []
    below, found = lower[-1], []
    for row in build_matrix().rows:
        cells = {cell.environment.pk: cell for cell in row.cells}
        here, there = cells[environment.pk], cells[below.pk]
        open_here = here.state == State.UNEXPLAINED
        open_below = there.state == State.UNEXPLAINED and _plain(here.fact) != _plain(there.fact)
        if open_here or open_below:
            found.append(Difference(row.key, here.text, there.text, below.slug))
    return found
