"""One reason not to go on, as every gate says it."""

from __future__ import annotations

import dataclasses
from datetime import datetime


@dataclasses.dataclass(frozen=True)
class Blocker:
    """
    `waits`: it passes by itself and the deployment starts then; else somebody must do something.
    `lasting`: not even a broken glass opens it. `by` whom, `since` when, `until` when it blocks, as
    far as somebody knows.
    """

    code: str
    detail: str
    waits: bool = False
    lasting: bool = False
    by: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def as_dict(self) -> dict[str, str | None]:
        """As REST, audit and pages carry it; times in RFC 3339."""
        return {
            "code": self.code,
            "detail": self.detail,
            "by": self.by or None,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }
