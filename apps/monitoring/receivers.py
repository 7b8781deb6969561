"""The stop of the line is an alarm in every environment, until it is lifted."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from apps.core.permissions import system
from apps.environments.models import Environment, Stop
from apps.environments.signals import line_released, line_stopped
from apps.monitoring.services import end_alarm, raise_alarm

STOPPER = system("stop of the line")
ALARM = "stop_the_line"


@receiver(line_stopped, dispatch_uid="alarm of the stopped line")
def tell_of_stop(stop: Stop, **_: Any) -> None:
    """Every environment's routes hear of it."""
    for place in Environment.objects.all():
        raise_alarm(
            STOPPER,
            environment=place.slug,
            name=ALARM,
            reason=f"{stop.stopped_by} stopped the line: {stop.reason}",
        )


@receiver(line_released, dispatch_uid="end of the alarm of the stopped line")
def tell_of_release(stop: Stop, **_: Any) -> None:
    for place in Environment.objects.all():
        end_alarm(
            STOPPER,
            environment=place.slug,
            name=ALARM,
            reason=f"{stop.lifted_by} lifted the stop: {stop.lifted_because}",
        )
