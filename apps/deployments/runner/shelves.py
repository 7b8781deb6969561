"""
Programs on disk that nobody comes back to. What is young is left alone: an update copies its
program first and writes down that it did afterwards.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Container, Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from apps.deployments.choices import DEPLOYMENT_OPEN, Verification
from apps.deployments.keeping import programs_folder
from apps.deployments.models import Deployment
from apps.environments.models import Environment

# Seconds.
YOUNG = 3600.0


def prune_programs() -> int:
    """How many kept programs went, because no deployment can bring them back any more."""
    return clear_shelf(programs_folder(), set(needed_programs()))


def needed_programs() -> Iterator[str]:
    """Digests: what is under way, and the last that were applied or verified in each place."""
    rows = Deployment.objects.select_related("returns_to__kept", "promoted_from")
    for row in rows.filter(status__in=DEPLOYMENT_OPEN):
        yield _digest(row)
        if row.returns_to is not None:
            yield row.returns_to.kept.program_digest
        if row.promoted_from is not None:
            yield _digest(row.promoted_from)
    for place in Environment.objects.all():
        here = Deployment.objects.filter(environment=place).order_by("-pk")
        # Two lists: fifty failures in a row do not push out what was verified before them.
        yield from _newest(here.filter(kept__isnull=False))
        yield from _newest(here.filter(verification=Verification.PASSED))


def clear_shelf(shelf: Path, needed: Container[str]) -> int:
    """Removes the folders that are old and not needed, and what a copy left half done."""
    if not shelf.is_dir():
        return 0
    since = time.time() - YOUNG
    old = [path for path in shelf.iterdir() if path.is_dir() and path.stat().st_mtime < since]
    gone = [path for path in old if path.name not in needed]
    for path in gone:
        _remove(path)
    return len(gone)


def _newest(rows: QuerySet[Deployment]) -> Iterator[str]:
    known = rows.exclude(Q(revision__program_digest="") | Q(revision__program_digest=None))
    yield from map(_digest, known[: settings.PROGRAMS_KEPT])


def _digest(row: Deployment) -> str:
    return str(row.revision.get("program_digest") or "")


def _remove(folder: Path) -> None:
    """Read-only folders as well."""
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        if not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
