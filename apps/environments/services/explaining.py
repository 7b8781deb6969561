"""Saying why something that looks wrong is meant. Each explanation holds for what it was given."""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound
from apps.core.permissions import Actor, check, may
from apps.environments.announcing import announce_change
from apps.environments.choices import Explained
from apps.environments.cleaning import clean_row
from apps.environments.lookup import find_environment
from apps.environments.models import Environment, Explanation
from apps.environments.secrets import fingerprint
from apps.environments.sharing import shares_of


def explain_sharing(
    actor: Actor, *, environment: str, place: str, other: str, note: str
) -> Explanation:
    """
    Says why the credential or endpoint at `place` is used by `other` as well. It holds until one of
    the two changes. Raises NotFound (`sharing.unknown`), Invalid (`explanation.empty`).
    """
    here = find_environment(actor, environment)
    check(actor, "edit_protection", environment)
    there = find_environment(actor, other)
    share = next(
        (row for row in shares_of(here) if (row.place, row.other.pk) == (place, there.pk)), None
    )
    if share is None:
        raise NotFound(
            "sharing.unknown",
            f"{environment} does not share {place} with {other}.",
            next_step="Validate the environment to see what it shares now.",
        )
    with transaction.atomic():
        row = _keep(actor, here, Explained.SHARING, place, other, share.digest, note)
        record(
            actor,
            "environments.sharing.explained",
            row,
            environment=environment,
            place=place,
            other=other,
            note=note,
        )
        announce_change(environment, "environment.explained", key=place)
    return row


def explain_production_host(actor: Actor, *, environment: str, host: str, note: str) -> Explanation:
    """
    Lets the settings of a lower environment name a host (or database) of production, and says why.
    Raises Invalid (`explanation.empty`, `environment.is_production`).
    """
    here = find_environment(actor, environment)
    check(actor, "edit_protection", environment)
    if here.is_production:
        raise Invalid(
            "environment.is_production", f"{environment} is production; its hosts are its own."
        )
    host = host.strip().lower()
    with transaction.atomic():
        row = _keep(actor, here, Explained.PRODUCTION, "", host, fingerprint(host), note)
        record(
            actor,
            "environments.production_host.explained",
            row,
            environment=environment,
            host=host,
            note=note,
        )
        announce_change(environment, "environment.explained", key=host)
    return row


def withdraw_explanation(actor: Actor, *, explanation: int) -> None:
    """Takes an explanation back; what it was about is unexplained again. Raises NotFound."""
    row = Explanation.objects.select_related("environment").filter(pk=explanation).first()
    if row is None or not may(actor, "view", row.environment.slug):
        raise NotFound("explanation.unknown", "There is no such explanation.")
    slug = row.environment.slug
    right = "edit_settings" if row.kind == Explained.DIFFERENCE else "edit_protection"
    check(actor, right, slug)
    with transaction.atomic():
        record(
            actor,
            "environments.explanation.withdrawn",
            row,
            environment=slug,
            kind=row.kind,
            key=row.key,
            subject=row.subject,
            note=row.note,
        )
        row.delete()
        announce_change(slug, "environment.explained", key=row.key)


def _keep(
    actor: Actor,
    place: Environment,
    kind: Explained,
    key: str,
    subject: str,
    digest: str,
    note: str,
) -> Explanation:
    if not note.strip():
        raise Invalid(
            "explanation.empty",
            "An explanation without words explains nothing.",
            errors={"note": "Say why it is meant."},
        )
    row = Explanation.objects.select_for_update().filter(
        environment=place, kind=kind, key=key, subject=subject
    ).first() or Explanation(environment=place, kind=kind, key=key, subject=subject)
    row.digest, row.note, row.by, row.by_id = digest, note.strip(), actor.name, actor.user_id
    clean_row(row)
    row.save()
    return row
