"""What the evidence about a revision comes to. Reads rows, changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from apps.deployments.choices import PEOPLE_NEEDED, EvidenceResult
from apps.deployments.identity import Identity, evidence_about
from apps.deployments.models import Evidence
from apps.environments.choices import EvidenceKind


@dataclasses.dataclass(frozen=True)
class Standing:
    """One kind of evidence: what stands of it, newest first, and how many people it takes."""

    kind: EvidenceKind
    rows: Sequence[Evidence]
    needed: int

    @property
    def negative(self) -> list[Evidence]:
        return [row for row in self.rows if row.result == EvidenceResult.FAILED]

    @property
    def positive(self) -> list[Evidence]:
        return [row for row in self.rows if row.result == EvidenceResult.PASSED]

    @property
    def is_enough(self) -> bool:
        return not self.negative and len(self.positive) >= self.needed

    @property
    def missing(self) -> str:
        """What is not there yet, as a sentence."""
        label = self.kind.label
        if self.needed == 1:
            return f"{label}: nobody reported it for this revision."
        return f"{label}: {len(self.positive)} of {self.needed} people reported it."


def standing(found: Identity) -> dict[EvidenceKind, Standing]:
    """
    Every kind with what stands of it: the last word of each person. Two spellings of one name are
    one person.
    """
    last: dict[tuple[str, str], Evidence] = {}
    for row in evidence_about(found):
        last.setdefault((row.kind, row.who.strip().casefold()), row)
    return {kind: _of(kind, last.values()) for kind in EvidenceKind}


def _of(kind: EvidenceKind, rows: Iterable[Evidence]) -> Standing:
    mine = [row for row in rows if row.kind == kind]
    return Standing(kind, mine, PEOPLE_NEEDED.get(kind, 1))
