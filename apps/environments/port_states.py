"""Who may listen where, and who does: rows of the database beside a look at this host."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from apps.environments.choices import PortState
from apps.environments.homes import environment_home
from apps.environments.models import Environment, Port
from apps.environments.probes.ports import Holder, NotThisHost, holders, is_free, next_free

# A listener on all addresses keeps the port of each of them.
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclasses.dataclass(frozen=True)
class Listening:
    """What is at one port now. `holders` are processes, in words where nothing more is known."""

    state: PortState
    holders: tuple[Holder, ...] = ()

    def words(self) -> str:
        if self.state == PortState.ELSEWHERE:
            return "another host's address"
        return " and ".join(str(holder) for holder in self.holders) or self.state.label.lower()


def listening(port: Port) -> Listening:
    """A look at one port; UDP and addresses of other hosts are not looked at."""
    if port.protocol != "tcp":
        return Listening(PortState.UNKNOWN)
    try:
        if is_free(port.host, port.port):
            return Listening(PortState.FREE)
        found = tuple(holders(port.host, port.port))
    except NotThisHost:
        return Listening(PortState.ELSEWHERE)
    except OSError:
        return Listening(PortState.UNKNOWN)
    place = port.environment
    own = place is not None and found and all(is_own(place, holder) for holder in found)
    if place is None:
        return Listening(PortState.HELD, found)
    return Listening(PortState.OWN if own else PortState.FOREIGN, found)


def is_own(place: Environment, holder: Holder) -> bool:
    """What a stack starts names its environment's folder on its command line."""
    return f"{environment_home(place)}/" in f"{holder.command}/"


def in_the_way(host: str, protocol: str, port: int) -> Port | None:
    """The row that keeps this port: of this address, or of all where one of the two is that."""
    rows = Port.objects.filter(protocol=protocol, port=port).select_related("environment")
    if host not in ALL_ADDRESSES:
        rows = rows.filter(Q(host=host) | Q(host__in=ALL_ADDRESSES))
    # The very same address first: it is the row that may be one's own.
    return next(iter(sorted(rows, key=lambda row: row.host != host)), None)


def spoken_for(host: str, protocol: str = "tcp") -> frozenset[int]:
    """Ports of the address that somebody has allocated, in whatever environment."""
    rows = Port.objects.filter(protocol=protocol)
    if host not in ALL_ADDRESSES:
        rows = rows.filter(Q(host=host) | Q(host__in=ALL_ADDRESSES))
    return frozenset(rows.values_list("port", flat=True))


def free_after(host: str, port: int, protocol: str = "tcp") -> int | None:
    """The next port that is neither allocated nor listened on; of another host, not allocated."""
    taken = spoken_for(host, protocol)
    if protocol == "tcp":
        try:
            return next_free(host, port, taken)
        except (NotThisHost, OSError):
            pass
    return next((number for number in range(port + 1, 65536) if number not in taken), None)


def described(rows: Iterable[Port]) -> list[dict[str, Any]]:
    """Rows with what is there now, for pages and REST."""
    found = []
    for row in rows:
        now = listening(row)
        found.append(
            {
                "id": row.pk,
                "environment": row.environment.slug if row.environment else None,
                "host": row.host,
                "protocol": row.protocol,
                "port": row.port,
                "owner": row.owner,
                "note": row.note,
                "state": str(now.state),
                "holders": [{"pid": holder.pid, "name": holder.name} for holder in now.holders],
            }
        )
    return found
