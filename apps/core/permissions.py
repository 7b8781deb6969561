"""
Who may do what: one function for every door.

An actor carries grants (role, environment slug or `*`); nothing here reads the database. The apps'
`visible_to(actor)` and every verb ask this module, so a page, an endpoint and a command agree.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from apps.core.errors import Forbidden, NotFound

EVERYWHERE = "*"
ROLES = ("viewer", "operator", "approver", "admin", "auditor")

# action → roles that hold it in an environment. `view` is held by every role.
ACTIONS: dict[str, frozenset[str]] = {
    "view": frozenset(ROLES),
    "deploy": frozenset({"operator", "admin"}),
    "destroy": frozenset({"operator", "admin"}),
    "cancel": frozenset({"operator", "admin"}),
    "approve": frozenset({"approver", "admin"}),
    "recover": frozenset({"operator", "admin"}),
    "check": frozenset({"operator", "approver", "admin"}),
    "edit_settings": frozenset({"operator", "admin"}),
    "edit_secrets": frozenset({"admin"}),
    "edit_protection": frozenset({"admin"}),
    "freeze": frozenset({"approver", "admin"}),
    "stop_the_line": frozenset({"operator", "approver", "admin"}),
    "break_glass": frozenset({"admin"}),
    "report_evidence": frozenset({"operator", "approver", "admin"}),
    "reject_revision": frozenset({"operator", "approver", "admin"}),
    "lift_rejection": frozenset({"approver", "admin"}),
    "edit_program": frozenset({"admin"}),
    "manage_access": frozenset({"admin"}),
    "view_audit": frozenset({"auditor", "admin"}),
}
# What a token of scope `read` may do.
READING = frozenset({"view", "view_audit"})


@dataclasses.dataclass(frozen=True)
class Actor:
    """
    Somebody or something that acts.

    `kind` is `user`, `token`, `system` (the portal itself: schedules, sweepers) or `nobody`.
    `grants` are pairs (role, environment slug or `*`). `scopes` narrows a token: empty means all.
    """

    kind: Literal["user", "token", "system", "nobody"]
    id: int | None
    name: str
    grants: frozenset[tuple[str, str]] = frozenset()
    scopes: frozenset[str] = frozenset()
    # The person behind a token; equal to `id` for a user.
    user_id: int | None = None

    @property
    def is_system(self) -> bool:
        return self.kind == "system"

    def roles_in(self, environment: str) -> frozenset[str]:
        """Roles that hold in this environment (`*`: those that hold everywhere)."""
        return frozenset(role for role, place in self.grants if place in (environment, EVERYWHERE))

    def visible_environments(self) -> frozenset[str] | None:
        """Slugs this actor may see; None means all of them."""
        places = frozenset(place for _, place in self.grants)
        return None if self.is_system or EVERYWHERE in places else places


NOBODY = Actor(kind="nobody", id=None, name="nobody")


def system(name: str) -> Actor:
    """The portal itself, named after what makes it act (`sweeper`, `schedule`, `run 42`)."""
    return Actor(kind="system", id=None, name=name)


def may(actor: Actor, action: str, environment: str = EVERYWHERE) -> bool:
    """Whether the actor holds the action there. An unknown action is a programming error."""
    roles = ACTIONS[action]
    if actor.is_system:
        return True
    if actor.scopes and action not in READING and "write" not in actor.scopes:
        return False
    return bool(roles & actor.roles_in(environment))


def check(actor: Actor, action: str, environment: str = EVERYWHERE) -> None:
    """
    Returns when the actor may. Raises NotFound where they may not even look (a foreign object is
    a 404), Forbidden where they may look but not do this.
    """
    if may(actor, action, environment):
        return
    if not may(actor, "view", environment):
        raise NotFound(
            "not_found",
            "There is no such thing, or you may not see it.",
            next_step="An admin can give you a role.",
        )
    place = "everywhere" if environment == EVERYWHERE else f"in {environment}"
    held = ", ".join(sorted(actor.roles_in(environment))) or "none"
    needed = " or ".join(sorted(ACTIONS[action]))
    raise Forbidden(
        "permission.denied",
        f"You may look here, not change. Your role {place} is {held}; {action.replace('_', ' ')}"
        f" needs {needed}.",
        next_step="An admin can give you the role.",
    )
