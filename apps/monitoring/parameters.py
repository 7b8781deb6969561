"""What each kind of check is told, typed: a parameter nobody reads was meant to do something."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from apps.environments import cron
from apps.environments.calendar import find_zone
from apps.monitoring.choices import CheckKind


@dataclasses.dataclass(frozen=True)
class Parameter:
    """`words` says what is wanted, for people."""

    type: type | tuple[type, ...]
    words: str
    needed: bool = False


URL = Parameter(str, "an http or https address without a password in it", needed=True)
TEXT = Parameter(str, "a text", needed=True)
HOST = Parameter(str, "a host name or address", needed=True)
PORT = Parameter(int, "a port from 1 to 65535")
SECRET = Parameter(str, "the name of a secret of the environment")
COUNT = Parameter(int, "a count from 0 to 1000")
SECONDS = Parameter((int, float), "seconds")
MILLISECONDS = Parameter((int, float), "milliseconds from 1 to 60000")
DAYS = Parameter(int, "days from 1 to 3650")
# What a form calls those whose name alone does not say it.
LABELS = {
    "url": "Address",
    "contains": "Page contains",
    "lacks": "Page lacks",
    "slow_ms": "Slow from",
    "follow": "Redirects to follow",
    "certificate_days": "Days the certificate must last",
    "days": "Days it must last",
    "bearer_secret": "Secret sent as bearer token",
    "password_secret": "Secret with the password",
    "free_percent": "Free space in percent",
    "lag_seconds": "Longest lag",
    "expected": "Expected addresses",
    "tls": "TLS",
    "cron": "Cron line",
    "zone": "Time zone",
    "grace": "Grace after its time",
    "every": "Calls every",
}
PARTS = ("database", "broker", "scheduler", "worker", "engine")
KNOWN: dict[str, dict[str, Parameter]] = {
    CheckKind.HTTP: {
        "url": URL,
        "status": Parameter(int, "a status from 100 to 599"),
        "contains": Parameter(str, "a text"),
        "lacks": Parameter(str, "a text"),
        "headers": Parameter(dict, "a map from header names to texts"),
        "slow_ms": MILLISECONDS,
        "follow": Parameter(int, "a number of redirects from 0 to 3"),
        "certificate_days": DAYS,
        "bearer_secret": SECRET,
    },
    CheckKind.CERTIFICATE: {
        "host": HOST,
        "port": PORT,
        "name": Parameter(str, "the name in the certificate"),
        "days": DAYS,
    },
    CheckKind.MCP: {"url": URL, "slow_ms": MILLISECONDS},
    CheckKind.TCP: {"host": HOST, "port": Parameter(int, PORT.words, needed=True)},
    CheckKind.PROCESS: {"process": TEXT},
    CheckKind.DNS: {"name": TEXT, "expected": Parameter(list, "a list of addresses")},
    CheckKind.DISK: {
        "path": TEXT,
        "free_percent": Parameter((int, float), "a share from 0 to 100"),
    },
    CheckKind.POSTGRES: {
        "host": HOST,
        "port": PORT,
        "database": TEXT,
        "user": TEXT,
        "password_secret": SECRET,
        "tls": Parameter(bool, "yes or no"),
        "query": Parameter(str, "one reading statement"),
        "lag_seconds": SECONDS,
        "replicas": COUNT,
    },
    CheckKind.REDIS: {
        "host": HOST,
        "port": PORT,
        "user": Parameter(str, "a text"),
        "password_secret": SECRET,
        "role": Parameter(str, "master or replica"),
        "replicas": COUNT,
    },
    CheckKind.CONTAINER: {"container": Parameter(str, "a container's name or id", needed=True)},
    CheckKind.HEARTBEAT: {
        "every": Parameter((int, float), "seconds from 10 to 2678400"),
        "cron": Parameter(str, "five fields such as 30 2 * * mon-fri, with days that come"),
        "zone": Parameter(str, "an IANA time zone such as Europe/Berlin"),
        "grace": SECONDS,
    },
    CheckKind.PORTAL: {"part": Parameter(str, f"one of {', '.join(PARTS)}", needed=True)},
}
RANGES = {
    "status": (100, 599),
    "port": (1, 65535),
    "free_percent": (0, 100),
    "slow_ms": (1, 60_000),
    "follow": (0, 3),
    "certificate_days": (1, 3650),
    "days": (1, 3650),
    "lag_seconds": (0, 86_400),
    "replicas": (0, 1000),
    "every": (10, 31 * 86_400),
    "grace": (0, 86_400),
}
FORMS = {
    "container": re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"),
    "host": re.compile(r"[A-Za-z0-9._:-]{1,253}"),
    "part": re.compile("|".join(PARTS)),
    "role": re.compile("master|replica"),
}
# Of a check.
NAME = re.compile(r"[\w .:/-]{1,80}")
HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")


def faults(kind: str, given: dict[str, Any]) -> dict[str, str]:
    """From a parameter to a sentence on what is wrong with it; empty when all is well."""
    known = KNOWN[kind]
    found = {
        name: f"A check of kind {kind} reads no {name}; it reads {', '.join(known)}."
        for name in given
        if name not in known
    }
    for name, parameter in known.items():
        if name not in given:
            if parameter.needed:
                found[name] = f"Give {name}: {parameter.words}."
        elif not _fits(name, given[name], parameter):
            found[name] = f"{name} is {parameter.words}."
    return found or (_pace_faults(given) if kind == CheckKind.HEARTBEAT else {})


def _pace_faults(given: dict[str, Any]) -> dict[str, str]:
    """A job comes every so many seconds, or by the clock of a place."""
    if ("every" in given) == ("cron" in given):
        return {"every": "Give either every, in seconds, or cron, with its zone."}
    if "zone" in given and "cron" not in given:
        return {"zone": "A zone belongs to cron."}
    return {}


def _fits(name: str, value: Any, parameter: Parameter) -> bool:
    if parameter.type is bool:
        return isinstance(value, bool)
    typed = isinstance(value, parameter.type) and not isinstance(value, bool)
    if not typed:
        return False
    if name in RANGES:
        least, most = RANGES[name]
        return bool(least <= value <= most)
    if special := SPECIAL.get(name):
        return special(value)
    printable = bool(value) and value.isprintable() and len(value) <= 2000
    return printable and (name not in FORMS or FORMS[name].fullmatch(value) is not None)


def _are_texts(value: list[Any]) -> bool:
    return all(isinstance(item, str) for item in value)


def _are_headers(value: dict[str, Any]) -> bool:
    return bool(value) and all(
        HEADER.fullmatch(name) and isinstance(text, str) and text.isprintable()
        for name, text in value.items()
    )


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    plain = value.isprintable() and " " not in value and port != 0
    return bool(
        plain and parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    )


def _is_zone(value: str) -> bool:
    try:
        find_zone(value)
    except ValueError:
        return False
    return True


def _is_cron(value: str) -> bool:
    try:
        cron.parse(value, "UTC")
    except ValueError:
        return False
    return True


SPECIAL: dict[str, Callable[[Any], bool]] = {
    "url": _is_address,
    "expected": _are_texts,
    "headers": _are_headers,
    "cron": _is_cron,
    "zone": _is_zone,
}
