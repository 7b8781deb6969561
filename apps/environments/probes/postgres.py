"""One short look at a PostgreSQL server with the credentials of an environment."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import struct
import time
from datetime import UTC, datetime

SECONDS = 3
# What a client sends to ask for TLS before anything else: length 8 and the protocol's own number.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Unreachable(Exception):
    """The server did not take us in; the text says why, without any credential."""


@dataclasses.dataclass(frozen=True)
class PostgresFound:
    """`skew` is the server's clock less ours in seconds; `certificate_ends` is None without TLS."""

    version: str
    major: int
    tls: bool
    may_create_roles: bool
    may_create_databases: bool
    has_database: bool
    skew: float
    certificate_ends: datetime | None


def look_at_postgres(
    *, host: str, port: int, user: str, password: str, name: str, seconds: int = SECONDS
) -> PostgresFound:
    """
    Connects as the administrator of the settings and asks for version, rights and time; `name` is
    the environment's own database. Raises Unreachable.
    """
    import psycopg  # noqa: PLC0415 - a tenth of a second that most processes never need

    try:
        with psycopg.connect(
            host=host,
            port=port,
            user=user,
            password=password,
            dbname="postgres",
            connect_timeout=seconds,
            application_name="orchestra validation",
            options=f"-c statement_timeout={seconds * 1000}",
        ) as connection:
            before = time.time()
            row = connection.execute(
                "SELECT current_setting('server_version'), r.rolsuper OR r.rolcreaterole,"
                " r.rolsuper OR r.rolcreatedb,"
                " EXISTS (SELECT 1 FROM pg_database WHERE datname = %s),"
                " extract(epoch FROM clock_timestamp())"
                " FROM pg_roles r WHERE r.rolname = current_user",
                [name],
            ).fetchone()
            after = time.time()
            tls = bool(connection.pgconn.ssl_in_use)
            major = connection.info.server_version // 10_000
    except psycopg.Error as error:
        raise Unreachable(_first_line(error, password)) from error
    assert row is not None  # everybody who is connected has a role
    return PostgresFound(
        version=str(row[0]),
        major=major,
        tls=tls,
        may_create_roles=bool(row[1]),
        may_create_databases=bool(row[2]),
        has_database=bool(row[3]),
        skew=float(row[4]) - (before + after) / 2,
        certificate_ends=certificate_ends(host, port, seconds) if tls else None,
    )


def certificate_ends(host: str, port: int, seconds: int = SECONDS) -> datetime | None:
    """When the certificate that the server shows runs out; None where it shows none."""
    from cryptography import x509  # noqa: PLC0415 - the same

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only its dates are read; whom to trust is decided where the password is sent.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=seconds) as plain:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                return None
            with context.wrap_socket(plain, server_hostname=host) as shown:
                raw = shown.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return x509.load_der_x509_certificate(raw).not_valid_after_utc.astimezone(UTC) if raw else None


def _first_line(error: Exception, password: str) -> str:
    text = str(error).strip().splitlines()
    line = text[0] if text else error.__class__.__name__
    return line.replace(password, "••••••••") if password else line
