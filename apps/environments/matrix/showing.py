"""Which lines of the matrix are shown, and what is said of the whole."""

from __future__ import annotations

from itertools import groupby

from apps.environments.matrix.building import Matrix, Row, State

SHOWN = {
    "all": tuple(State),
    "differences": (State.INTENDED, State.UNEXPLAINED),
    "unexplained": (State.UNEXPLAINED,),
}


def shown_rows(matrix: Matrix, show: str, wanted: str) -> list[Row]:
    """Rows that have a cell of the kind asked for and whose key holds the text."""
    text = wanted.strip().lower()
    rows = [row for row in matrix.rows if row.has(*SHOWN[show])]
    return [row for row in rows if text in row.key.lower()] if text else rows


def grouped(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    return [(group, list(found)) for group, found in groupby(rows, key=lambda row: row.group)]


def sentence(matrix: Matrix) -> str:
    """The head of the page in words."""
    counts = matrix.counts()
    values = sum(cell.fact is not None for row in matrix.rows for cell in row.cells)
    different, open_ = counts[State.INTENDED], counts[State.UNEXPLAINED]
    noun = "environment" if len(matrix.environments) == 1 else "environments"
    return (
        f"{values} values in {len(matrix.environments)} {noun}: {counts[State.SAME]} are the same"
        f" or stand alone, {different} differ{'s' if different == 1 else ''} on purpose with a"
        f" note, {open_} differ{'s' if open_ == 1 else ''} without a reason."
    )
