"""Who holds a TCP port of this host, by process, and which one is free instead."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import socket
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

LISTENING = "0A"
HIGHEST = 65535
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


@dataclasses.dataclass(frozen=True)
class Holder:
    """A listening process; `pid` is None where the system does not say (another user's)."""

    pid: int | None
    name: str
    command: str

    def __str__(self) -> str:
        return f"{self.name}, pid {self.pid}" if self.pid else "a process of another user"


class NotThisHost(Exception):
    """The address is none of this host's; only a process there could tell."""


def is_free(host: str, port: int) -> bool:
    """
    Whether a server could listen there now. Raises NotThisHost; PermissionError for a port that
    is the administrator's.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise NotThisHost(host) from error
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # With SO_REUSEADDR only a socket that listens is in the way, not one winding down.
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise NotThisHost(host) from error
            raise
    return True


def next_free(host: str, port: int, taken: Collection[int] = ()) -> int | None:
    """The first port above that is neither spoken for nor listened on; None where none is left."""
    for number in range(port + 1, HIGHEST + 1):
        if number not in taken and is_free(host, number):
            return number
    return None


def holders(host: str, port: int) -> list[Holder]:
    """The processes that listen on the port of that address, or of all addresses."""
    inodes = set(_listening(host, port))
    if not inodes:
        return []
    found = {pid for pid, inode in _sockets() if inode in inodes}
    return [_holder(pid) for pid in sorted(found)] or [Holder(None, "", "")]


def _holder(pid: int) -> Holder:
    folder = Path(f"/proc/{pid}")
    name, command = "a process that just ended", ""
    with contextlib.suppress(OSError):
        name = (folder / "comm").read_text(errors="replace").strip()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return Holder(pid, name, command.strip())


def _listening(host: str, port: int) -> Iterator[str]:
    """Inodes of the sockets that listen there."""
    in_the_way = _written(host)
    for table in TABLES:
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].rpartition(":")
                if fields[3] == LISTENING and int(number, 16) == port and address in in_the_way:
                    yield fields[9]


def _written(host: str) -> set[str]:
    """As the kernel writes them: the addresses whose listeners keep a port of this one."""
    given = ipaddress.ip_address(host)
    found = [given, ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::")]  # noqa: S104 - compared, not bound
    if given.version == 4:
        found.append(ipaddress.ip_address(f"::ffff:{given}"))
    return {
        "".join(
            f"{int.from_bytes(address.packed[start : start + 4], sys.byteorder):08X}"
            for start in range(0, len(address.packed), 4)
        )
        for address in found
    }


def _sockets() -> Iterator[tuple[int, str]]:
    """Pairs of pid and socket inode, of all processes that we may look into."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for entry in folder.iterdir():
                with contextlib.suppress(OSError):
                    link = str(entry.readlink())
                    if link.startswith("socket:["):
                        yield int(folder.parent.name), link[8:-1]
