"""Which revision of the built-in program is here."""

from __future__ import annotations

import contextlib
import re
import subprocess
from typing import Any

from apps.deployments.engine import ROOT

TIME_LIMIT = 5.0
COMMIT = re.compile(r"[0-9a-f]{40}")
# What the program's digest is made of (`infra/engine_host/programs.py`), as git finds it.
PROGRAM_FILES = (":(glob)infra/*.py", "infra/Pulumi.yaml")
_editors: dict[str, str] = {}


def current_revision() -> dict[str, Any]:
    """`commit` and `branch` of the checkout; `modified` where its program is not that commit's."""
    found: dict[str, Any] = {"commit": current_commit(), "branch": current_branch()}
    if _git("status", "--porcelain", "--", *PROGRAM_FILES):
        found["modified"] = True
    return found


def current_commit() -> str:
    """The 40 hexadecimal digits of the checkout's commit; empty where this is no checkout."""
    return _git("rev-parse", "--verify", "HEAD")


def current_branch() -> str:
    """The checkout's branch; empty when detached or no checkout."""
    return _git("symbolic-ref", "--short", "HEAD")


def last_editor(commit: str) -> str:
    """
    Mail address of who changed the program last, as of this commit; empty where nobody knows: no
    checkout, another program's commit.
    """
    if not COMMIT.fullmatch(commit):
        return ""
    if commit not in _editors:
        found = _git("log", "-1", "--format=%ae", commit, "--", *PROGRAM_FILES)
        # What could not be asked is asked again; what was found is so for ever.
        if not found:
            return ""
        _editors[commit] = found
    return _editors[commit]


def _git(*arguments: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""
