"""
Which network addresses the portal may open a connection to. Pure: no names are resolved here.

What is public may be reached. Everything else needs a rule that names the range, and some things
are refused even inside a rule. `ipaddress.is_global` alone will not do: it calls multicast, NAT64
and 6to4 forms of loopback, and the metadata address of one cloud global.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Refused whatever a rule says: "this host", link-local with the clouds' metadata in it, multicast,
# reserved and broadcast.
NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
            "::/128", "ff00::/8",
        ),
    )
)  # fmt: skip
# Metadata services that are not link-local: Alibaba, Oracle, Azure, AWS and Google over IPv6.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200", "192.0.0.192", "168.63.129.16",
            "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        ),
    )
)  # fmt: skip
# Not public although Python may say so, and the forms that carry an IPv4 address inside.
NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "198.18.0.0/15",
            "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96",
            "fec0::/10", "5f00::/16", "3fff::/20",
        ),
    )
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Rule:
    """A range that may be reached although it is not public; no `ports` means all of them."""

    network: Network
    ports: frozenset[int] = frozenset()

    def allows(self, address: Address, port: int) -> bool:
        return (
            address.version == self.network.version
            and address in self.network
            and (not self.ports or port in self.ports)
        )


@dataclasses.dataclass(frozen=True)
class Rules:
    """
    What one environment's looks may reach. `kept` are the portal's own servers, as
    `(address, port)`: they are refused inside an allowed range, too.
    """

    allowed: tuple[Rule, ...] = ()
    kept: frozenset[tuple[str, int]] = frozenset()

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        """Once: hashing networks for each look costs more than the rest of its refusal."""
        return hash((self.allowed, self.kept))

    def refusal(self, address: str, port: int) -> str:
        """Why this address and port must not be reached; empty when they may."""
        return _refusal(self, address, port)


PUBLIC_ONLY = Rules()


class AddressRefused(OSError):
    """A rule forbids the connection; nothing was sent."""


def parse_rules(
    ranges: Iterable[tuple[str, Iterable[int]]], kept: Iterable[tuple[str, int]] = ()
) -> Rules:
    """From `("10.0.0.0/8", [5432])` pairs. Raises ValueError for what is no network."""
    rules = (Rule(ipaddress.ip_network(cidr), frozenset(ports)) for cidr, ports in ranges)
    return Rules(tuple(rules), frozenset(kept))


@functools.lru_cache(maxsize=8192)
def _refusal(rules: Rules, text: str, port: int) -> str:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "it is no address"
    forms = [address, *carried(address)]
    if any(form in METADATA or _within(form, NEVER) for form in forms):
        return "it is a metadata, link-local, multicast or reserved address"
    if any((str(form), port) in rules.kept for form in forms):
        return "it is a server of the portal's own"
    if any(rule.allows(address, port) for rule in rules.allowed):
        return ""
    if not address.is_global or address.is_reserved or _within(address, NOT_PUBLIC):
        return "it is not public, and no rule of the environment allows its range"
    return ""


def carried(address: Address) -> list[Address]:
    """The IPv4 addresses inside an IPv6 one: mapped, compatible, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if int(address) > 1 and _within(address, NOT_PUBLIC[4:6] + NOT_PUBLIC[8:9]):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)
