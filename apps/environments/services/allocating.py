"""Who may listen on which port."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.errors import Refused
from apps.core.permissions import Actor, check
from apps.environments.announcing import announce_change
from apps.environments.choices import PortState
from apps.environments.cleaning import clean_row
from apps.environments.lookup import find_environment
from apps.environments.models import Environment, Port
from apps.environments.port_states import free_after, in_the_way, listening


def allocate_port(
    actor: Actor,
    *,
    environment: str,
    host: str,
    port: int,
    owner: str,
    protocol: str = "tcp",
    note: str = "",
    look: bool = False,
) -> Port:
    """
    Claims a port for an owner in an environment; the same claim again is no error. With `look` a
    port that a stranger's process holds is refused. Raises Refused (`port.taken`) naming the
    holder and the next free one.
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    row = Port(environment=place, host=host, protocol=protocol, port=port, owner=owner, note=note)
    clean_row(row)
    if look:
        _refuse_stranger(row)
    with transaction.atomic():
        held = in_the_way(host, protocol, port)
        if held is not None and _is_same(held, place, host, owner):
            return held
        if held is not None:
            raise _taken(held, host, port)
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            raise _lost(row, error) from error
        record(actor, "environments.port.allocated", row, environment=environment, owner=owner)
        announce_change(environment, "port.allocated", port=port)
    return row


def release_port(
    actor: Actor, *, environment: str, host: str, port: int, protocol: str = "tcp"
) -> None:
    """Gives a port back; one that is not held is no error."""
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    with transaction.atomic():
        rows = Port.objects.filter(environment=place, host=host, port=port, protocol=protocol)
        row = rows.first()
        if row is None:
            return
        record(
            actor,
            "environments.port.released",
            row,
            environment=environment,
            owner=row.owner,
        )
        row.delete()
        announce_change(environment, "port.released", port=port)


def _is_same(held: Port, place: Environment, host: str, owner: str) -> bool:
    return (held.environment_id, held.host, held.owner) == (place.pk, host, owner)


def _lost(row: Port, error: IntegrityError) -> Exception:
    """The database's constraint spoke: somebody was faster by a moment."""
    held = in_the_way(row.host, row.protocol, row.port)
    return error if held is None else _taken(held, row.host, row.port)


def _taken(held: Port, host: str, port: int) -> Refused:
    where = held.environment.slug if held.environment else "the host"
    at = f" by its claim on {held.host}" if held.host != host else ""
    detail = f"Port {port} on {host} belongs to {held.owner} ({where}){at}."
    return Refused(
        "port.taken",
        f"{detail} Nothing was changed.",
        next_step=f"Choose another port; {free_after(host, port, held.protocol)} is free.",
        blocked_by=[{"code": "port.taken", "detail": detail}],
    )


def _refuse_stranger(row: Port) -> None:
    found = listening(row)
    if found.state != PortState.FOREIGN:
        return
    detail = f"Port {row.port} on {row.host} is held by {found.words()}."
    raise Refused(
        "port.taken",
        f"{detail} Nothing was changed.",
        next_step=f"Next free port: {free_after(row.host, row.port, row.protocol)}.",
        blocked_by=[{"code": "port.held", "detail": detail}],
    )
