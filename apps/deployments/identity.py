"""
Which revision a deployment is of, and which rows speak of the same one.

    {"commit": 40 hex or "", "branch": name or "",
     "program_digest": 64 hex, "config_digest": 64 hex,
     "modified": True,    the built-in program is not as its commit has it
     "program": {…},      a program from git: see `programs.py`
     "pinned": True}      exactly this commit, not what its branch has meanwhile
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from apps.deployments.models import Deployment, Evidence, RejectedRevision

# No row: Q() alone would be every row.
NOTHING = Q(pk__in=[])


@dataclasses.dataclass(frozen=True)
class Identity:
    """What names a revision: its commit and its program tree. Either may be unknown yet."""

    commit: str
    program_digest: str = ""
    modified: bool = False

    @property
    def short(self) -> str:
        """As people say it."""
        if self.commit:
            return self.commit[:12] + ("+" if self.modified else "")
        return f"tree {self.program_digest[:12]}" if self.program_digest else "unknown"

    def is_of(self, revision: Mapping[str, Any]) -> bool:
        """Whether that revision is exactly this one: same commit, same program tree."""
        other = identity_of(revision)
        return bool(self.program_digest) and (self.commit, self.program_digest) == (
            other.commit,
            other.program_digest,
        )


def identity_of(revision: Mapping[str, Any]) -> Identity:
    return Identity(
        str(revision.get("commit") or ""),
        str(revision.get("program_digest") or ""),
        bool(revision.get("modified")),
    )


def evidence_about(found: Identity) -> list[Evidence]:
    """Newest first. Every part that a row names must be the revision's own."""
    about = _all_parts(found)
    return list(Evidence.objects.filter(about).order_by("-pk"))


def _all_parts(found: Identity) -> Q:
    trees = {"", found.program_digest}
    if found.modified:
        # Its commit says nothing about a tree that was changed since.
        trees = {found.program_digest} - {""}
    return Q(commit__in={"", found.commit}, program_digest__in=trees)


def rejection_of(found: Identity) -> RejectedRevision | None:
    """The standing rejection of this revision: of its tree under any commit, or of its commit."""
    rows = RejectedRevision.objects.filter(lifted_at__isnull=True)
    same = NOTHING
    if found.program_digest:
        same |= Q(program_digest=found.program_digest)
    if found.commit and not found.modified:
        same |= Q(commit=found.commit)
    return rows.filter(same).order_by("pk").first()


def deployments_of(found: Identity) -> Any:
    """Deployments of exactly this revision, oldest first."""
    return Deployment.objects.filter(
        revision__commit=found.commit, revision__program_digest=found.program_digest
    ).order_by("pk")


def deployments_about(found: Identity) -> Any:
    """Deployments that share a named part with it: whose pages show what is said of it."""
    same = NOTHING
    if found.commit:
        same |= Q(revision__commit=found.commit)
    if found.program_digest:
        same |= Q(revision__program_digest=found.program_digest)
    return Deployment.objects.filter(same)
