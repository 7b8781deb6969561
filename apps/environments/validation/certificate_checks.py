"""Certificates of what the settings point at by https."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from apps.environments.endpoints import leaves, url_of
from apps.environments.probes.tls import TlsRefused, certificate_days
from apps.environments.validation.database_checks import CERTIFICATE_DAYS
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

WHAT = "Certificates"
TLS = {"https": 443, "wss": 443}
# All at once, so that a validation waits for the slowest only; more are named, not asked.
MOST, SECONDS = 8, 3
Server = tuple[str, int]


@environment_check(
    "certificates", order=36, why="When a certificate ends, what calls the address stops at once."
)
def certificates(subject: Subject) -> Iterator[Item]:
    found = servers(subject)
    if not found:
        yield skipped("certificate.none_named", WHAT, "No setting holds an https address.")
        return
    asked = list(found)[:MOST]
    with ThreadPoolExecutor(len(asked)) as pool:
        for server, answer in zip(asked, pool.map(days_left, asked), strict=True):
            yield _item(server, found[server], answer)
    if len(found) > MOST:
        names = ", ".join(f"{host}:{port}" for host, port in list(found)[MOST:])
        step = "Watch them with checks of kind certificate."
        yield unknown("certificate.too_many", WHAT, f"Not looked at: {names}.", step)


def servers(subject: Subject) -> dict[Server, str]:
    """Host and port of each https address, with the place in the settings that names it first."""
    found: dict[Server, str] = {}
    for key, value in sorted(subject.values.items()):
        for place, leaf in leaves(key, value):
            url = url_of(leaf)
            if url is None or url.scheme not in TLS or not url.hostname:
                continue
            try:
                found.setdefault((url.hostname, url.port or TLS[url.scheme]), place)
            except ValueError:  # a port that is none: the look at settings says so
                continue
    return found


def days_left(server: Server) -> int | TlsRefused | OSError:
    """Whole days; what stood in the way is an answer, too."""
    try:
        return certificate_days(*server, seconds=SECONDS)
    except (TlsRefused, OSError) as error:
        return error


def _item(server: Server, place: str, answer: int | TlsRefused | OSError) -> Item:
    name = f"{server[0]}:{server[1]} ({place})"
    if isinstance(answer, TlsRefused):
        step = "Renew it, or let the host trust who signed it."
        return failed("certificate.refused", WHAT, f"{name} is not trusted: {answer}.", step)
    if isinstance(answer, OSError):
        step = f"See that this host reaches it, or correct the setting {place}."
        return unknown("certificate.unreachable", WHAT, f"{name} was not reached: {answer}.", step)
    if answer < CERTIFICATE_DAYS:
        step = "Renew it before that."
        return warning("certificate.ends_soon", WHAT, f"{name} ends in {answer} days.", step)
    return passed("certificate.valid", WHAT, f"{name}: {answer} days left.")
