"""What stops a start, told as fact, reason and way out."""

from __future__ import annotations


class StartRefused(Exception):
    """
    The start cannot go on.

    `fact` says what is, `way_out` what to do next; both are whole sentences for the person at the
    terminal.
    """

    def __init__(self, fact: str, way_out: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.fact}\n  What to do: {self.way_out}"
