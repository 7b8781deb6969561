"""The matrix as a file: JSON for programs, CSV for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from apps.environments.matrix.building import Matrix, Row, State

# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_document(matrix: Matrix, rows: Iterable[Row]) -> dict[str, Any]:
    """`{"environments": [slug], "counts": {...}, "rows": [{group, key, cells: [...]}]}`."""
    counts = matrix.counts()
    return {
        "environments": [place.slug for place in matrix.environments],
        "counts": {str(state): counts[state] for state in State},
        "rows": [
            {
                "group": row.group,
                "key": row.key,
                "cells": [
                    {
                        "environment": cell.environment.slug,
                        "value": cell.fact.value if cell.fact else None,
                        "text": cell.text,
                        "detail": cell.fact.small if cell.fact else "",
                        "state": str(cell.state),
                        "note": cell.note,
                        "shared_with": cell.shared_with or None,
                    }
                    for cell in row.cells
                ],
            }
            for row in rows
        ],
    }


def as_csv(matrix: Matrix, rows: Iterable[Row]) -> str:
    """One line for each key; for each environment its value, state and note."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    heads = [
        f"{place.slug}{suffix}"
        for place in matrix.environments
        for suffix in ("", " state", " note")
    ]
    writer.writerow(["group", "key", *heads])
    for row in rows:
        values = [text for cell in row.cells for text in (cell.text, str(cell.state), cell.note)]
        writer.writerow([safe(text) for text in (row.group, row.key, *values)])
    return out.getvalue()


def safe(text: str) -> str:
    """No cell is a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
