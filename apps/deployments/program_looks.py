"""What a validation asks of the program: can its source be read, may its branch come here?"""

from __future__ import annotations

from collections.abc import Iterator

from apps.core.errors import Refused, Unavailable
from apps.deployments import git
from apps.deployments.revision import current_branch
from apps.deployments.revision_gates import foreign_branch
from apps.environments.sources import COMMIT, source_of
from apps.environments.validation import (
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    skipped,
    unknown,
)

# Of a server that does not answer: what was fetched already is deployed all the same.
AWAY = frozenset({"source.unreachable", "git.slow"})


@environment_check(
    "program",
    order=70,
    why="What runs is the program of one commit; what was not reviewed on its branch was reviewed"
    " nowhere.",
)
def program(subject: Subject) -> Iterator[Item]:
    source = source_of(subject.environment)
    if source is None:
        yield passed("source.built_in", "Program", "The built-in one, of this installation.")
        yield _branch(subject, current_branch(), "the portal stands on")
        return
    try:
        commit, branch = git.resolve(git.remote_of(source), source.ref)
    except (Refused, Unavailable) as error:
        kind = unknown if error.code in AWAY else failed
        yield kind(error.code, "Program", error.detail, error.next_step)
        return
    if COMMIT.fullmatch(source.ref):
        words = f"Commit {commit[:12]} of {source.url}, which is asked for it by a deployment."
        yield skipped("source.pinned", "Program", words)
    else:
        words = f"{source.url} answers; {source.ref} is commit {commit[:12]}."
        yield passed("source.readable", "Program", words)
    yield _branch(subject, branch, f"{source.ref} of {source.url} is on")


def _branch(subject: Subject, branch: str, where: str) -> Item:
    place = subject.environment
    allowed = place.protection.allowed_branches
    if not allowed:
        return skipped("branch.any", "Branch", "Any branch may be deployed here.")
    if not foreign_branch(place, branch):
        return passed("branch.allowed", "Branch", f"{branch} is allowed.")
    return failed(
        "branch.not_allowed",
        "Branch",
        f"{place.slug} takes {', '.join(allowed)} only; {where} {branch or 'no branch'}.",
        f"Take the program from {allowed[0]}, or let an admin allow the branch.",
    )
