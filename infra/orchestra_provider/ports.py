"""Who holds a TCP port, and which one is free instead."""

import contextlib
import dataclasses
import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

LISTENING = "0A"
# The platform's and the portal's own; see docs of the environments. Never proposed as a way out.
SPOKEN_FOR = frozenset({3000, 8000, 8003, 8006, 8007, 8008, 8009, 8100})
HIGHEST = 65535


@dataclasses.dataclass(frozen=True)
class Holder:
    """`pid` is None for a process of another user."""

    pid: int | None
    name: str

    def __str__(self) -> str:
        return f"{self.name}, pid {self.pid}" if self.pid else "a process of another user"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Connections that are winding down do not count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def next_free(host: str, port: int) -> int | None:
    candidates = (p for p in range(port + 1, HIGHEST) if p not in SPOKEN_FOR)
    return next((p for p in candidates if is_free(host, p)), None)


def holders(host: str, port: int) -> list[Holder]:
    """The processes that listen on the port of that address, or of all addresses."""
    inodes = set(_listening(host, port))
    if not inodes:
        return []
    found = {pid for pid, inode in _sockets() if inode in inodes}
    return [Holder(pid, process_name(pid)) for pid in sorted(found)] or [Holder(None, "")]


def process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process that just ended"


def descends_from(pid: int, ancestor: int) -> bool:
    """Whether a process is another one or was started below it."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = _parent(pid)
    return False


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def _listening(host: str, port: int) -> Iterator[str]:
    in_the_way = _written(host)
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == LISTENING and int(number, 16) == port and address in in_the_way:
                yield fields[9]


def _written(host: str) -> set[str]:
    """As the kernel writes them: the addresses whose listeners keep a port of this one."""
    given = ipaddress.ip_address(host)
    everywhere = (ipaddress.IPv4Address(0), ipaddress.IPv6Address(0))
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [given, *everywhere]
    if isinstance(given, ipaddress.IPv4Address):
        found.append(ipaddress.IPv6Address(f"::ffff:{given}"))
    return {"".join(_words(address.packed)) for address in found}


def _words(packed: bytes) -> Iterator[str]:
    """Groups of four bytes as numbers of this machine's byte order, in hexadecimal."""
    for start in range(0, len(packed), 4):
        yield f"{int.from_bytes(packed[start : start + 4], sys.byteorder):08X}"


def _sockets() -> Iterator[tuple[int, str]]:
    """Pairs of pid and socket inode, of all processes that we may look into."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        for link in _links(folder):
            if link.startswith("socket:["):
                yield int(folder.parent.name), link[8:-1]


def _links(folder: Path) -> Iterator[str]:
    """What the descriptors point at, less those that were closed meanwhile."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield str(entry.readlink())
