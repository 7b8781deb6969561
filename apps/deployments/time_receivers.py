"""What the clock finds due and only a verb may do: firings, ends of lives, their warnings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from apps.audit.services import record
from apps.core.errors import PortalError
from apps.core.permissions import system
from apps.deployments.alarms import MAIL_LIMIT, admins_of
from apps.deployments.choices import FiringOutcome
from apps.deployments.models import Deployment, Firing, Lifetime, Run
from apps.deployments.runner.drift_watch import CORRECTOR
from apps.deployments.services import carry_out_firing, correct_drift, end_life
from apps.deployments.signals import drift_due, firing_due, lifetime_due, lifetime_warning_due
from apps.environments.models import Environment
from apps.live.services import announce

log = structlog.get_logger(__name__)
CLOCK = system("schedule")
TRY_AGAIN = timedelta(minutes=1)


@receiver(firing_due)
def begin_scheduled(firing: Firing, **_: Any) -> None:
    """One try; a refusal stands at the firing and in the record."""
    try:
        carry_out_firing(CLOCK, firing=firing.pk)
    except PortalError as error:
        with transaction.atomic():
            mine = Firing.objects.filter(pk=firing.pk, outcome=FiringOutcome.DUE)
            mine.update(outcome=FiringOutcome.REFUSED, detail=error.text)
            record(
                CLOCK,
                "deployments.schedule.refused",
                firing.schedule,
                environment=firing.schedule.environment.slug,
                code=error.code,
                reason=error.detail,
            )
        log.warning("schedule.refused", firing=firing.pk, code=error.code)


@receiver(drift_due)
def begin_correction(run: Run, environment: Environment, **_: Any) -> None:
    """One try for each look; a hold or another refusal stands in the record."""
    slug = environment.slug
    try:
        with transaction.atomic():
            made = correct_drift(CORRECTOR, environment=slug, reason=f"drift found by run {run.pk}")
            Deployment.objects.filter(pk=made.pk).update(unattended=True)
    except PortalError as error:
        record(
            CORRECTOR,
            "deployments.drift.not_corrected",
            run,
            environment=slug,
            code=error.code,
            reason=error.detail,
        )
        log.warning("drift.not_corrected", run=run.pk, code=error.code)


@receiver(lifetime_due)
def begin_end(lifetime: Lifetime, **_: Any) -> None:
    """A refusal leaves it due: it is tried again, and the record says why."""
    try:
        end_life(system("lifetime"), environment=lifetime.environment.slug)
    except PortalError as error:
        log.warning("lifetime.refused", lifetime=lifetime.pk, code=error.code)


@receiver(lifetime_warning_due)
def warn(lifetime: Lifetime, field: str, **_: Any) -> None:
    """Mail to who set it and to the admins, and a live message; a failed mail is tried again."""
    slug = lifetime.environment.slug
    setter = get_user_model().objects.filter(pk=lifetime.set_by_id or 0).exclude(email="").first()
    addresses = sorted({*admins_of(slug), *([setter.email] if setter else [])})
    if addresses:
        try:
            _mail(lifetime, addresses)
        except OSError as error:
            log.warning("lifetime.mail_failed", lifetime=lifetime.pk, reason=str(error))
            again = {field: None, "try_at": timezone.now() + TRY_AGAIN}
            Lifetime.objects.filter(pk=lifetime.pk).update(**again)
            return
    with transaction.atomic():
        record(
            system("lifetime"),
            "deployments.lifetime.warned",
            lifetime,
            environment=slug,
            recipients=len(addresses),
            until=lifetime.ends_at.isoformat(),
        )
        announce(f"environment:{slug}", "lifetime.warning", until=lifetime.ends_at.isoformat())
        announce("fleet", "lifetime.warning", environment=slug)


def _mail(lifetime: Lifetime, addresses: list[str]) -> None:
    slug = lifetime.environment.slug
    EmailMessage(
        f"[{slug.upper()}] {slug} is destroyed at {lifetime.ends_at:%Y-%m-%d %H:%M} UTC",
        f"The lifetime of {slug}, set by {lifetime.set_by}, ends at"
        f" {lifetime.ends_at:%Y-%m-%d %H:%M} UTC: {lifetime.reason}\n\n"
        "Everything its stack holds is removed then. To let it live longer, open"
        f"\n/admin/environments/{slug}/lifetime/\n",
        settings.PORTAL_MAIL_FROM,
        to=[settings.PORTAL_MAIL_FROM],
        bcc=addresses,
        headers={"Auto-Submitted": "auto-generated"},
        connection=get_connection(timeout=MAIL_LIMIT),
    ).send()
