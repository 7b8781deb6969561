"""What production asks of an installation, beyond working."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import connection

from apps.accounts.actors import actor_for_user
from apps.core.permissions import may
from apps.environments.choices import Finding, Tier
from apps.environments.matrix import State, build_matrix
from apps.environments.models import Environment
from apps.environments.probes.tls import TlsRefused, certificate_days
from apps.environments.secrets import newest_secrets
from apps.environments.validation.registry import (
    Installation,
    Item,
    failed,
    passed,
    sentence,
    setup_check,
    skipped,
    unknown,
    validate,
    verdict,
    warning,
)

CERTIFICATE_DAYS = 21


@setup_check(
    "portal", order=50, production=True, why="What suits a laptop opens doors on a network."
)
def portal(_portal: Installation) -> Iterator[Item]:
    what = "Portal"
    rules = [
        (not settings.DEBUG, "setup.debug", "Debugging is on.", "Unset PORTAL_DEBUG."),
        (
            settings.PORTAL_PRODUCTION,
            "setup.not_production",
            "The portal does not know that it is a production portal.",
            "Set PORTAL_PRODUCTION=true.",
        ),
        (
            connection.vendor == "postgresql",
            "setup.sqlite",
            f"The portal's own database is {connection.vendor}.",
            "Set DATABASE_URL to a PostgreSQL server with backups.",
        ),
        (
            settings.SECURE_TLS,
            "setup.no_tls",
            "Cookies and pages may go over plain HTTP.",
            "Put a proxy with TLS before the portal and set PORTAL_TLS=true.",
        ),
        (
            "*" not in settings.ALLOWED_HOSTS,
            "setup.any_host",
            "The portal answers to any host name.",
            "Name the exact hosts in PORTAL_ALLOWED_HOSTS.",
        ),
        (
            not settings.CELERY_BROKER_URL.startswith(("filesystem:", "memory:")),
            "setup.local_broker",
            "The broker is a folder of this host.",
            "Set CELERY_BROKER_URL to RabbitMQ or Redis.",
        ),
    ]
    broken = [rule for rule in rules if not rule[0]]
    for _, code, detail, step in broken:
        yield failed(code, what, detail, step)
    if not broken:
        yield passed("setup.portal", what, f"All {len(rules)} rules for a production portal hold.")


@setup_check(
    "django", order=52, production=True, why="These are the framework's own rules for a network."
)
def django(_portal: Installation) -> Iterator[Item]:
    found = [
        entry
        for entry in checks.run_checks(include_deployment_checks=True)
        if entry.level >= checks.WARNING and not entry.is_silenced()
    ]
    for entry in found:
        text = " ".join(str(entry.msg).split())
        yield warning(
            str(entry.id or "django"), "Framework", text, str(entry.hint or "See `check --deploy`.")
        )
    if not found:
        yield passed("setup.django", "Framework", "`check --deploy` has nothing to say.")


@setup_check(
    "certificate", order=54, production=True, why="A certificate that ran out locks everybody out."
)
def certificate(_portal: Installation) -> Iterator[Item]:
    what, url = "Certificates", urlsplit(settings.PORTAL_URL)
    if url.scheme != "https" or not url.hostname:
        yield skipped("certificate.none", what, f"{settings.PORTAL_URL} is served without TLS.")
        return
    try:
        days = certificate_days(url.hostname, url.port or 443)
    except TlsRefused as error:
        yield failed(
            "certificate.refused",
            what,
            f"{url.hostname} shows no certificate that is trusted: {error}",
            "Give the proxy a valid certificate for this name.",
        )
        return
    except OSError as error:
        yield unknown("certificate.unreachable", what, f"{url.hostname} was not reached: {error}.")
        return
    if days < CERTIFICATE_DAYS:
        step = "Renew the proxy's certificate."
        yield warning("certificate.ends_soon", what, f"The portal's ends in {days} days.", step)
    else:
        yield passed("certificate.valid", what, f"The portal's: {days} days left.")


@setup_check(
    "protection", order=60, production=True, why="A rule that is not set is asked of nobody."
)
def protection(found: Installation) -> Iterator[Item]:
    places = [place for place in found.environments if place.tier == Tier.PRODUCTION]
    if not places:
        yield failed(
            "setup.no_production",
            "Protection",
            "There is no environment of tier production.",
            "Run `manage.py seed`, or make one.",
        )
    for place in places:
        lacking = list(_lacking(place))
        for words in lacking:
            yield failed(
                "protection.open",
                "Protection",
                f"{place.slug} {words}.",
                f"Let an admin change the protection of {place.slug}.",
            )
        if not lacking:
            yield passed("protection.set", "Protection", f"{place.slug} has every rule set.")


def _lacking(place: Environment) -> Iterator[str]:
    rules = place.protection
    if not rules.required_approvals:
        yield "asks for no approval"
    if not rules.allowed_branches:
        yield "takes any branch"
    if not rules.verified_in:
        yield "takes what was verified nowhere"
    if not rules.required_evidence:
        yield "asks for no evidence"


@setup_check(
    "people", order=62, production=True, why="Whoever asks may not approve: it takes two persons."
)
def people(found: Installation) -> Iterator[Item]:
    users = get_user_model().objects.filter(is_active=True)
    actors = [actor_for_user(user) for user in users]
    for place in found.environments:
        needed = place.protection.required_approvals
        able = sum(may(actor, "approve", place.slug) for actor in actors)
        # The one who asks does not count.
        if needed and able <= needed:
            yield failed(
                "people.too_few",
                "People",
                f"{place.slug} needs {needed} approval(s) by others, and {able} person(s) may"
                " approve there.",
                f"Give one more person the role approver in {place.slug}.",
            )
        elif needed:
            yield passed("people.enough", "People", f"{able} persons may approve in {place.slug}.")


@setup_check(
    "dates", order=64, production=True, why="A credential without a date is never rotated."
)
def dates(found: Installation) -> Iterator[Item]:
    for place in found.environments:
        undated = [row.key for row in newest_secrets(place) if row.rotation_due_at is None]
        if undated and place.tier == Tier.PRODUCTION:
            yield warning(
                "secret.no_date",
                "Rotation",
                f"{place.slug} has no date of rotation for {', '.join(undated)}.",
                "Set them again with rotate_within_days.",
            )


@setup_check(
    "differences", order=66, production=True, why="What differs by accident fails in production."
)
def differences(_portal: Installation) -> Iterator[Item]:
    count = build_matrix().counts()[State.UNEXPLAINED]
    if count:
        yield warning(
            "matrix.unexplained",
            "Matrix",
            f"{count} difference(s) between environments are explained by nobody.",
            "Open the matrix, filter Unexplained, and explain or mend each.",
        )
    else:
        yield passed("matrix.explained", "Matrix", "Every difference is explained.")


@setup_check(
    "environments", order=90, production=True, why="A deployment is refused where this fails."
)
def environments(found: Installation) -> Iterator[Item]:
    for place in found.environments:
        items = validate(place)
        status = verdict(items)
        words = f"{place.slug}: {sentence(item.status for item in items)}."
        if status == Finding.PASSED:
            yield passed("environment.valid", "Environments", words)
            continue
        first = next(item for item in items if item.status not in (Finding.PASSED, Finding.SKIPPED))
        # A lower environment that is not set up yet keeps nobody from production.
        fails = status == Finding.FAILED and place.tier == Tier.PRODUCTION
        yield (failed if fails else warning)(
            "environment.invalid",
            "Environments",
            f"{words} {first.detail}",
            f"Run `manage.py validate_environment {place.slug}`: it names each next step.",
        )
