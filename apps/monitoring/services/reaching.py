"""Verbs on what checks may reach, and on the tokens of jobs."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.addresses import NEVER
from apps.core.errors import Invalid, NotFound
from apps.core.permissions import Actor, check
from apps.environments.lookup import find_environment
from apps.live.services import announce
from apps.monitoring.heartbeats import make_heartbeat
from apps.monitoring.models import AllowedRange, Check, Heartbeat


def allow_range(
    actor: Actor, *, environment: str, network: str, reason: str, ports: Sequence[int] = ()
) -> AllowedRange:
    """
    Lets the checks of an environment reach a range that is not public. The first range of its own
    replaces the installation's. Raises Invalid (`range.malformed`).
    """
    place = find_environment(actor, environment)
    check(actor, "manage_access", environment)
    text = _network(network)
    if not reason.strip():
        raise Invalid("range.malformed", "Say why.", errors={"reason": "Say why it is needed."})
    if len(ports) > 50 or not all(1 <= port <= 65_535 for port in ports):
        raise Invalid(
            "range.malformed",
            "A port is from 1 to 65535.",
            errors={"ports": "Up to 50 numbers from 1 to 65535."},
        )
    with transaction.atomic():
        row, _ = AllowedRange.objects.update_or_create(
            environment=place,
            network=text,
            defaults={"ports": sorted(set(ports)), "reason": reason[:200]},
        )
        record(
            actor, "monitoring.range.allowed", row, environment=environment,
            network=text, ports=row.ports, reason=row.reason,
        )  # fmt: skip
        announce(f"environment:{environment}", "range.allowed", network=text)
    return row


def withdraw_range(actor: Actor, *, range_id: int) -> None:
    """Closes a range again. One that is gone already is no error."""
    rows = AllowedRange.objects.visible_to(actor).select_related("environment")
    row = rows.filter(pk=range_id).first()
    if row is None:
        return
    slug = row.environment.slug
    check(actor, "manage_access", slug)
    with transaction.atomic():
        record(actor, "monitoring.range.withdrawn", row, environment=slug, network=row.network)
        announce(f"environment:{slug}", "range.withdrawn", network=row.network)
        row.delete()


def renew_heartbeat(actor: Actor, *, check_id: int) -> Heartbeat:
    """Makes the token of a job void and gives it a new one. Raises NotFound."""
    rows = Check.objects.visible_to(actor).select_related("environment")
    row = rows.filter(pk=check_id, kind="heartbeat").first()
    if row is None:
        raise NotFound("check.unknown", f"There is no heartbeat check {check_id}.")
    slug = row.environment.slug
    check(actor, "edit_settings", slug)
    with transaction.atomic():
        beat = make_heartbeat(row)
        beat.nonce, beat.since = secrets.token_hex(16), timezone.now()
        beat.save(update_fields=["nonce", "since"])
        record(actor, "monitoring.heartbeat.renewed", row, environment=slug)
        announce(f"environment:{slug}", "heartbeat.renewed", check=row.pk)
    return beat


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        words = "Give a network like 10.0.0.0/8; its host bits are zero."
        raise Invalid("range.malformed", words, errors={"network": words}) from error
    closed = [each for each in NEVER if each.version == network.version]
    if any(network.subnet_of(each) for each in closed):  # type: ignore[arg-type]  # same version
        words = f"{network} is metadata, link-local, multicast or reserved: no rule opens it."
        raise Invalid("range.malformed", words, errors={"network": words})
    return str(network)
