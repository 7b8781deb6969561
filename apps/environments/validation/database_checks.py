"""The environment's database: reached, recent enough, with rights, over TLS, on time."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils import timezone

from apps.environments.choices import Finding
from apps.environments.probes.postgres import PostgresFound, Unreachable, look_at_postgres
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

WHAT = "Database"
# The oldest major version that PostgreSQL itself still mends.
OLDEST = 14
SKEW_WARNING, SKEW_FAILED = 2.0, 30.0
CERTIFICATE_DAYS = 21
SQLITE_HEADER = b"SQLite format 3\0"


@environment_check("database", order=30, why="Everything in the environment keeps its data there.")
def database(subject: Subject) -> Iterator[Item]:
    section = subject.section("database")
    match section.get("kind"):
        case "sqlite":
            yield from _sqlite(Path(str(section.get("path", ""))))
        case "postgres":
            yield from _postgres(subject, section)
        case _:
            yield skipped("database.none", WHAT, "The settings declare no database.")


def _sqlite(path: Path) -> Iterator[Item]:
    if path.exists():
        yield _existing(path)
        return
    # What is not there yet is made by the deployment, with the folders above it.
    above = next(folder for folder in (*path.parents, Path("/")) if folder.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield passed("database.creatable", WHAT, f"{path.name} is not there yet and can be made.")
    else:
        yield failed(
            "database.not_writable",
            WHAT,
            f"{path} cannot be made: {above} is not writable.",
            f"Make {above} writable for the portal's user, or name another path.",
        )


def _existing(path: Path) -> Item:
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE_HEADER))
    except OSError:
        head = b"unreadable"
    if head and head != SQLITE_HEADER:
        return failed(
            "database.not_sqlite",
            WHAT,
            f"{path} is there and is no SQLite database that can be read.",
            "Move that file away, or name another path in the setting database.",
        )
    if not os.access(path, os.W_OK):
        return failed(
            "database.not_writable",
            WHAT,
            f"{path} is not writable.",
            "Make the file writable for the portal's user.",
        )
    return passed("database.reachable", WHAT, f"{path.name} is there and writable.")


def _postgres(subject: Subject, section: dict[str, Any]) -> Iterator[Item]:
    password = subject.opened.get("database_admin_password")
    where = f"{section.get('host')}:{section.get('port', 5432)}"
    if password is None:
        yield unknown(
            "database.not_asked",
            WHAT,
            f"PostgreSQL at {where} was not asked: the secret database_admin_password is missing.",
            "Set the secret and validate again.",
        )
        return
    try:
        found = look_at_postgres(
            host=str(section.get("host", "")),
            port=int(section.get("port", 5432)),
            user=str(section.get("admin_user", "")),
            password=password,
            name=str(section.get("name", "")),
        )
    except Unreachable as error:
        yield failed(
            "database.unreachable",
            WHAT,
            f"PostgreSQL at {where} does not take {section.get('admin_user')} in: {error}",
            "Start the server, or correct host, port, admin_user or database_admin_password.",
        )
        return
    there = "is there" if found.has_database else "is made by the deployment"
    yield passed(
        "database.reachable", WHAT, f"PostgreSQL at {where} answers; {section['name']} {there}."
    )
    yield from _version_and_rights(found, section)
    yield _tls(subject, found, str(section.get("host", "")))
    yield from _certificate(found)
    yield _clock(found, where)


def _version_and_rights(found: PostgresFound, section: dict[str, Any]) -> Iterator[Item]:
    if found.major < OLDEST:
        yield warning(
            "database.old",
            "Database version",
            f"PostgreSQL {found.version} gets no more fixes; {OLDEST} is the oldest that does.",
            "Upgrade the server.",
        )
    else:
        yield passed("database.version", "Database version", f"PostgreSQL {found.version}.")
    missing = [
        name
        for name, has in (
            ("CREATEROLE", found.may_create_roles),
            ("CREATEDB", found.may_create_databases),
        )
        if not has
    ]
    who = section.get("admin_user")
    if missing:
        yield failed(
            "database.no_right",
            "Database rights",
            f"{who} lacks {' and '.join(missing)}.",
            f"Grant it: ALTER ROLE {who} {' '.join(missing)}.",
        )
    else:
        yield passed("database.rights", "Database rights", f"{who} may make roles and databases.")


def _tls(subject: Subject, found: PostgresFound, host: str) -> Item:
    if found.tls:
        return passed("database.tls", "Database TLS", "The connection is encrypted.")
    if is_loopback(host):
        return skipped("database.tls_local", "Database TLS", "The server is on this very host.")
    return Item(
        "database.no_tls",
        "Database TLS",
        Finding.FAILED if subject.environment.is_production else Finding.WARNING,
        f"The way to {host} is not encrypted; the password can be read on it.",
        "Switch ssl on at the server.",
    )


def _certificate(found: PostgresFound) -> Iterator[Item]:
    if found.certificate_ends is None:
        return
    days = (found.certificate_ends - timezone.now()).days
    if days < 0:
        yield failed(
            "certificate.expired",
            "Certificates",
            f"The database's certificate ran out on {found.certificate_ends:%Y-%m-%d}.",
            "Give the server a new certificate.",
        )
    elif days < CERTIFICATE_DAYS:
        yield warning(
            "certificate.ends_soon",
            "Certificates",
            f"The database's certificate runs out in {days} days.",
            "Give the server a new certificate before that.",
        )
    else:
        yield passed("certificate.valid", "Certificates", f"The database's: {days} days left.")


def _clock(found: PostgresFound, where: str) -> Item:
    return clock_item(found.skew, f"The clock of {where}")


def clock_item(skew: float, whose: str) -> Item:
    """What a difference of clocks means: leases, windows and due dates are counted in time."""
    words = f"{whose} is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this host's."
    if abs(skew) >= SKEW_FAILED:
        return failed("clock.wrong", "Clock", words, "Set both hosts to network time.")
    if abs(skew) >= SKEW_WARNING:
        return warning("clock.skewed", "Clock", words, "Set both hosts to network time.")
    return passed("clock.agrees", "Clock", f"{whose} agrees with this host's.")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("/")
