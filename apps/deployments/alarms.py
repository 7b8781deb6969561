"""
Mail to every admin when somebody breaks the glass. What is due stands in the approval's own row, so
a mail server that is away delays an alarm and never loses it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, get_connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts.actors import actor_for_user
from apps.accounts.models import RoleBinding
from apps.audit.services import record
from apps.core.permissions import EVERYWHERE, may, system
from apps.deployments.models import Approval

log = structlog.get_logger(__name__)
TRY_AGAIN = timedelta(minutes=1)
# After this nobody is helped by it any more.
GIVE_UP = timedelta(days=1)
MAIL_LIMIT = 10


def send_due() -> int:
    """
    Sends what is due; how many. Claimed by moving the next try, so two workers send one mail; a
    worker that dies in between leaves it to the next try.
    """
    now = timezone.now()
    due = Approval.objects.filter(alarm_due_at__lte=now, at__gt=now - GIVE_UP)
    return sum(_send(row, now) for row in due.select_related("deployment__environment")[:20])


def admins_of(slug: str) -> list[str]:
    """Addresses of everybody who is admin there."""
    bound = RoleBinding.objects.filter(
        user__isnull=False, role="admin", environment__in=(slug, EVERYWHERE)
    )
    users = get_user_model().objects.filter(is_active=True).exclude(email="")
    rows = users.filter(Q(pk__in=bound.values("user_id")) | Q(is_superuser=True))
    return sorted({row.email for row in rows if may(actor_for_user(row), "break_glass", slug)})


def _send(row: Approval, now: datetime) -> int:
    mine = Approval.objects.filter(pk=row.pk, alarm_due_at=row.alarm_due_at)
    if not mine.update(alarm_due_at=now + TRY_AGAIN):
        return 0
    slug = row.deployment.environment.slug
    addresses = admins_of(slug)
    if addresses:
        try:
            _mail(row, addresses)
        except OSError as error:
            # smtplib's errors are OSErrors, too.
            log.warning("alarm.not_sent", approval=row.pk, reason=str(error))
            return 0
    Approval.objects.filter(pk=row.pk).update(alarm_due_at=None, alarmed_at=timezone.now())
    record(
        system("alarms"),
        "deployments.alarm.mailed",
        row.deployment,
        environment=slug,
        recipients=len(addresses),
    )
    return 1


def _mail(row: Approval, addresses: list[str]) -> None:
    deployment, slug = row.deployment, row.deployment.environment.slug
    body = (
        f"{row.by} broke the glass of deployment {deployment.pk} in {slug}"
        f" at {row.at:%Y-%m-%d %H:%M} UTC.\n\n"
        f"Reason: {row.comment}\n\n"
        "The plan is applied without the approvals and gates it lacked. It stays red in the"
        f" history.\nPage: /admin/deployments/deployment/{deployment.pk}/change/\n"
    )
    EmailMessage(
        f"[{slug.upper()}] {row.by} broke the glass of deployment {deployment.pk}",
        body,
        settings.PORTAL_MAIL_FROM,
        to=[settings.PORTAL_MAIL_FROM],
        bcc=addresses,
        headers={"Auto-Submitted": "auto-generated"},
        connection=get_connection(timeout=MAIL_LIMIT),
    ).send()
