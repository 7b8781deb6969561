"""Ports: allocated to this environment, and free or held by its own processes."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from apps.environments.choices import Finding
from apps.environments.models import Port
from apps.environments.port_states import free_after, is_own
from apps.environments.probes.ports import NotThisHost, holders, is_free
from apps.environments.validation.registry import (
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    skipped,
    unknown,
    warning,
)

WHAT = "Ports"


@environment_check(
    "ports", order=40, why="Whoever holds a port answers in place of what was deployed there."
)
def ports(subject: Subject) -> Iterator[Item]:
    host = str(subject.section("mcp").get("host", "127.0.0.1"))
    declared = {
        (host, int(row["port"])): str(row.get("name", "a server"))
        for row in subject.servers
        if isinstance(row.get("port"), int)
    }
    allocated = {
        (row.host, row.port): row.owner for row in subject.environment.ports.filter(protocol="tcp")
    }
    yield from _conflicts(subject, declared)
    claims = {**allocated, **declared}
    well = 0
    for (address, number), owner in sorted(claims.items()):
        item = _probe(subject, address, number, owner, needed=(address, number) in declared)
        well += item is None
        if item is not None:
            yield item
    if not claims:
        yield skipped("port.none", WHAT, "No port is declared or allocated.")
    elif well:
        yield passed(
            "port.usable", WHAT, f"{well} of {len(claims)} are free or held by their own process."
        )


def _conflicts(subject: Subject, declared: dict[tuple[str, int], str]) -> Iterator[Item]:
    """Declared here, allocated to somebody else: one query for all."""
    wanted = Q(pk=None)
    for address, number in declared:
        wanted |= Q(host=address, port=number, protocol="tcp")
    rows = Port.objects.filter(wanted).exclude(environment=subject.environment)
    for row in rows.select_related("environment"):
        place = row.environment.slug if row.environment else "the host"
        yield Item(
            "port.taken",
            WHAT,
            Finding.FAILED,
            f"Port {row.port} on {row.host}, declared for {declared[row.host, row.port]}, belongs"
            f" to {row.owner} ({place}).",
            "Give the server another port or address in the setting mcp.",
            others=(row.environment.slug,) if row.environment else (),
        )


def _probe(subject: Subject, host: str, port: int, owner: str, *, needed: bool) -> Item | None:
    """None when the port is free or in the right hands."""
    try:
        if is_free(host, port):
            return None
        found = holders(host, port)
        strangers = [holder for holder in found if not is_own(subject.environment, holder)]
        if found and not strangers:
            return None
    except NotThisHost:
        return unknown(
            "port.elsewhere", WHAT, f"{host} is no address of this host; {port} was not looked at."
        )
    except OSError as error:
        return unknown("port.unreadable", WHAT, f"Port {port} on {host}: {error.strerror}.")
    who = " and ".join(str(holder) for holder in strangers) or "a process that cannot be seen"
    return (failed if needed else warning)(
        "port.held",
        WHAT,
        f"Port {port} on {host}, kept for {owner}, is held by {who}.",
        f"End that process, or give {owner} another port; next free port:"
        f" {free_after(host, port)}.",
    )
