"""Secrets: set, openable, in date, and of this environment alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from apps.core.errors import PortalError
from apps.environments.choices import Finding
from apps.environments.schema import needed_secrets
from apps.environments.sharing import shares_of
from apps.environments.validation.registry import (
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    skipped,
    warning,
)

SOON = timedelta(days=14)
WHAT = "Secrets"


@environment_check(
    "secrets", order=20, why="Without its credentials a deployment stops where it needs them."
)
def secrets(subject: Subject) -> Iterator[Item]:
    slug = subject.environment.slug
    missing = [key for key in needed_secrets(subject.values) if key not in subject.secrets]
    for key in missing:
        yield failed(
            "secret.missing",
            WHAT,
            f"{slug} has no secret {key}, which its settings ask for.",
            f"Set it: PUT /api/v1/environments/{slug}/secrets/{key}/. An admin may.",
        )
    try:
        opened = len(subject.opened)
    except PortalError as error:
        yield failed("secret.sealed", WHAT, error.detail, error.next_step)
        return
    if not missing and opened:
        noun = "secret is" if opened == 1 else "secrets are"
        yield passed("secret.set", WHAT, f"{opened} {noun} set and opened with today's keys.")
    elif not missing:
        yield skipped("secret.none", WHAT, "The settings ask for none, and none is set.")


@environment_check("rotation", order=22, why="The older a credential, the more places it has been.")
def rotation(subject: Subject) -> Iterator[Item]:
    now = timezone.now()
    dated = [row for row in subject.secrets.values() if row.rotation_due_at]
    late = [row for row in dated if row.rotation_due_at and row.rotation_due_at <= now]
    near = [row for row in dated if row not in late and row.rotation_due_at]
    for row in late:
        status = Finding.FAILED if subject.environment.is_production else Finding.WARNING
        yield Item(
            "secret.overdue",
            "Rotation",
            status,
            f"{row.key} was due for rotation on {row.rotation_due_at:%Y-%m-%d}.",
            f"Set a new value of {row.key}; the old version stays for plans under way.",
        )
    for row in near:
        if row.rotation_due_at and row.rotation_due_at - now <= SOON:
            yield warning(
                "secret.due_soon",
                "Rotation",
                f"{row.key} is due for rotation on {row.rotation_due_at:%Y-%m-%d}.",
                f"Set a new value of {row.key} before that day.",
            )
    if dated and not late:
        yield passed("secret.in_date", "Rotation", f"None of {len(dated)} is overdue.")
    elif not dated:
        yield skipped("secret.no_date", "Rotation", "No secret has a date of rotation.")


@environment_check(
    "sharing",
    order=24,
    why="With one credential or endpoint in two environments, a slip in one reaches the other.",
)
def sharing(subject: Subject) -> Iterator[Item]:
    found = [share for share in shares_of(subject.environment) if not share.note]
    for share in found:
        production = share.other.is_production or subject.environment.is_production
        yield Item(
            f"{share.what}.shared",
            "Sharing",
            Finding.FAILED if production and share.strong else Finding.WARNING,
            f"{share.sentence()}.",
            f"Give {subject.environment.slug} one of its own, or let an admin explain it.",
            others=(share.other.slug,),
        )
    if not found:
        yield passed(
            "sharing.none", "Sharing", "No credential or endpoint is another environment's, too."
        )
