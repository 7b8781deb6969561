"""Every environment side by side: see `facts` for how lines are added."""

from apps.environments.matrix.building import (
    Cell,
    Difference,
    Matrix,
    Row,
    State,
    build_matrix,
    differences_before,
)
from apps.environments.matrix.facts import Fact, Line, matrix_lines

__all__ = [
    "Cell",
    "Difference",
    "Fact",
    "Line",
    "Matrix",
    "Row",
    "State",
    "build_matrix",
    "differences_before",
    "matrix_lines",
]
