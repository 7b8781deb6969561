"""What the pages between a button and a verb about people and tokens say."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.urls import reverse

from apps.accounts import services
from apps.accounts.choices import Role, Scope
from apps.accounts.models import RoleBinding, Token
from apps.accounts.places import places_to_manage
from apps.core.confirming import Ask, Confirmation, why_not
from apps.core.errors import PortalError, Refused
from apps.core.permissions import ACTIONS, EVERYWHERE, Actor

MOST_PEOPLE = 500
SCOPES = [("read,write", "Read and write"), ("read", "Read only")]


def to_grant(actor: Actor, *, holder: str, back: str) -> Confirmation:
    """`holder` is what the page is about, or empty: then it asks for the person."""
    places = places_to_manage(actor)
    asks = [] if holder else [Ask("user", "Person", choices=people())]
    asks += [
        Ask("role", "Role", choices=Role.choices, value=Role.VIEWER),
        Ask(
            "environment",
            "Environment",
            choices=[
                (place, "all environments" if place == EVERYWHERE else place) for place in places
            ],
            value=next((place for place in places if place != EVERYWHERE), EVERYWHERE),
        ),
    ]
    return Confirmation(
        title=f"Give {holder or 'a person'} a role?",
        sentence="It counts from the next request on, in pages, REST and commands.",
        button=f"Give {holder or 'the person'} the role",
        back=back,
        lines=[("", f"{role.label}: {deeds_of(role)}") for role in Role],
        asks=asks,
        heading="What each role may do",
        blocked=None if places else why_not(actor, "manage_access", EVERYWHERE),
    )


def to_revoke(actor: Actor, row: RoleBinding, back: str) -> Confirmation:
    lines = [("", f"{row.holder} may no longer: {deeds_of(Role(row.role))}, {row.place}.")]
    own = row.token is not None and row.token.roles.count() == 1
    if own:
        lines.append(("", f"It is the token's last role: it has all of {row.token.user} then."))  # type: ignore[union-attr]  # own says it is a token's
    return Confirmation(
        title=f"Revoke {row} from {row.holder}?",
        sentence="Open pages and sockets lose it within seconds; approvals given with it count no"
        " more.",
        button=f"Revoke {row.role} from {row.holder}",
        back=back,
        lines=lines,
        danger=True,
        heading="What will change",
        blocked=why_not(actor, "manage_access", row.environment),
    )


def to_create_token(actor: Actor, back: str, *, everybody: bool) -> Confirmation:
    own = next((key for key, word in people() if word == actor.name), "")
    asks = [Ask("user", "Acts as", choices=people(), value=own)] if everybody else []
    asks += [
        Ask("name", "What it is for", required=True),
        Ask("scopes", "It may", choices=SCOPES, value="read"),
        Ask(
            "days",
            "Days until it ends",
            kind="number",
            value="90",
            help=f"From 1 to {services.LONGEST_TOKEN_DAYS}; empty: it never ends.",
        ),
    ]
    return Confirmation(
        title="Create a token?",
        sentence="A key for a program, which acts with its person's roles and never approves.",
        button="Create token",
        back=back,
        note="Its text is shown once, on the next page.",
        asks=asks,
        heading="What is made",
    )


def to_revoke_token(row: Token, back: str) -> Confirmation:
    return Confirmation(
        title=f"Revoke token {row.name}?",
        sentence="It ends at once; the row stays for the record.",
        button=f"Revoke token {row.name}",
        back=back,
        lines=[
            ("", f"Programs that use {row.name} ({row.key}) of {row.user} get 401 from now on.")
        ],
        danger=True,
        heading="What will change",
        blocked=_over(row),
    )


def _over(row: Token) -> PortalError | None:
    if row.revoked_at is None:
        return None
    return Refused("token.over", f"This token was revoked at {row.revoked_at:%d %b %Y %H:%M} UTC.")


def people() -> list[tuple[str, str]]:
    """Active people to choose from: key and name."""
    rows = User.objects.filter(is_active=True).order_by("username")
    return [(str(pk), name) for pk, name in rows.values_list("pk", "username")[:MOST_PEOPLE]]


def deeds_of(role: Role) -> str:
    """`view, deploy, destroy` of a role, from the one table of rights."""
    return ", ".join(name.replace("_", " ") for name, roles in ACTIONS.items() if role in roles)


def scopes_of(text: str) -> list[str]:
    """The scopes that the form's choice stands for; the verb refuses an unknown one."""
    return [scope for scope in text.split(",") if scope] or [Scope.READ.value]


def page_of(user: int) -> str:
    return reverse("admin:person", args=[user])
