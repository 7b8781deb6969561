"""
Wake-up hints: an empty datagram to every hub's unix socket on this host, and `NOTIFY` for the hubs
of other hosts where the database is PostgreSQL. A hint may be lost; each hub also polls while
somebody listens. The socket of a dead hub is removed by whoever finds it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

CHANNEL = "orchestra_live"
# What a socket address holds, with its closing zero.
LONGEST_ADDRESS = 107


def wake_hubs() -> None:
    """Tells every hub that there is something to read. Never raises, never waits for a hub."""
    folder = settings.LIVE_SOCKET_FOLDER
    if folder.is_dir():
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
            short_address(folder) as short,
        ):
            for path in folder.glob("*.sock"):
                _send(sender, path, f"{short}/{path.name}")
    if connection.vendor == "postgresql" and not connection.needs_rollback:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def _send(sender: socket.socket, path: Path, address: str) -> None:
    # Any other error: a full buffer means that the hub has a hint waiting already.
    with contextlib.suppress(OSError):
        try:
            sender.sendto(b"", address)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def short_address(folder: Path) -> Iterator[str]:
    """
    The folder under a name that fits into a socket address: its own, or the one that Linux gives
    to an open folder.
    """
    if len(os.fsencode(folder)) + len("/4194304.sock") <= LONGEST_ADDRESS:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
