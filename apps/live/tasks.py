"""Celery entries of the stream."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.live.models import Message, Tick

KEPT = timedelta(days=2)


@shared_task
def prune_messages() -> None:
    """Pages reload from the rows themselves; messages only bridge a gap of minutes."""
    Message.objects.filter(at__lt=timezone.now() - KEPT).delete()


@shared_task
def tick() -> None:
    """Proof of life for /api/health."""
    Tick.objects.update_or_create(name="schedule", defaults={"at": timezone.now()})
