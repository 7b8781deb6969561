"""Asks the network about a server; for protocol questions see monitoring's probes."""

from __future__ import annotations

import socket


def listens(host: str, port: int, limit: float = 1.0) -> bool:
    """Whether somebody takes a connection there within `limit` seconds."""
    try:
        with socket.create_connection((host, port), timeout=limit):
            return True
    except OSError:
        return False
