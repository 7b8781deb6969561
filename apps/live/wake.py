"""Where a hub hears its hints: a unix socket of its own, and PostgreSQL's LISTEN."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

import psycopg
import structlog
from django.conf import settings
from django.db import connection

from apps.live.hints import CHANNEL, short_address

log = structlog.get_logger(__name__)
RECONNECT_SECONDS = 5.0


class Datagrams:
    """A bound `<pid>.sock`; `open` says whether it could be bound."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._path = settings.LIVE_SOCKET_FOLDER / f"{os.getpid()}.sock"
        self._socket: socket.socket | None = None

    def open(self) -> bool:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Left by a process that had our number and was killed.
            self._path.unlink(missing_ok=True)
            with short_address(self._path.parent) as folder:
                receiver.bind(f"{folder}/{self._path.name}")
        except OSError as error:
            receiver.close()
            log.warning("live.no_hints", reason=str(error), path=str(self._path))
            return False
        self._socket = receiver
        asyncio.get_running_loop().add_reader(receiver.fileno(), self._drain)
        return True

    def _drain(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(16)
        self._heard()

    def close(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._path.unlink(missing_ok=True)


async def listen_to_postgres(heard: Callable[[], None]) -> None:
    """Runs until canceled; returns at once where the database is another. Polling bridges gaps."""
    if connection.vendor != "postgresql":
        return
    parameters = connection.get_connection_params()
    wanted = {
        name: parameters[name]
        for name in ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert")
        if parameters.get(name)
    }
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(autocommit=True, **wanted) as own:
                await own.execute(f"LISTEN {CHANNEL}")
                heard()
                async for _ in own.notifies():
                    heard()
        except psycopg.Error as error:
            log.warning("live.listen_lost", reason=str(error))
        await asyncio.sleep(RECONNECT_SECONDS)
