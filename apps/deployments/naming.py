"""From what somebody gives (a deployment, a commit, a tree) to the revision that is meant."""

from __future__ import annotations

import re

from apps.core.errors import Invalid, Refused
from apps.core.permissions import Actor
from apps.deployments.identity import Identity, identity_of
from apps.deployments.lookup import find_deployment

COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(r"[0-9a-f]{64}")


def named_revision(
    actor: Actor, *, deployment: int | None = None, commit: str = "", program_digest: str = ""
) -> Identity:
    """
    A deployment stands for its own revision, both parts of it. Raises Invalid
    (`revision.malformed`), NotFound, Refused (`revision.unknown_yet`).
    """
    if deployment is not None:
        if commit or program_digest:
            raise Invalid(
                "revision.malformed",
                "A deployment names its revision already.",
                errors={"deployment": "Give a deployment, or commit and program_digest."},
            )
        return _of_deployment(actor, deployment)
    errors = {}
    if commit and not COMMIT.fullmatch(commit):
        errors["commit"] = "All 40 hexadecimal digits: a branch or a short form may move."
    if program_digest and not DIGEST.fullmatch(program_digest):
        errors["program_digest"] = "All 64 hexadecimal digits."
    if not commit and not program_digest:
        errors["commit"] = "Give a commit, a program_digest, or a deployment."
    if errors:
        raise Invalid(
            "revision.malformed",
            f"This names no revision. {' '.join(errors.values())}",
            errors=errors,
        )
    return Identity(commit, program_digest)


def _of_deployment(actor: Actor, deployment: int) -> Identity:
    found = identity_of(find_deployment(actor, deployment).revision)
    if found.modified:
        # The commit is not to blame for what was changed after it.
        found = Identity("", found.program_digest)
    if not found.commit and not found.program_digest:
        raise Refused(
            "revision.unknown_yet",
            f"The revision of deployment {deployment} is not known before its plan.",
            next_step="Wait for the plan.",
        )
    return found
