"""Celery entries of people and access."""

from celery import shared_task
from django.utils import timezone

from apps.accounts.choices import FIRST_ANSWER_KEPT
from apps.accounts.models import FirstAnswer


@shared_task
def prune_first_answers() -> None:
    FirstAnswer.objects.filter(created_at__lt=timezone.now() - FIRST_ANSWER_KEPT).delete()
