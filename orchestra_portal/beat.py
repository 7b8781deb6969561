"""Beat's own Celery application: the table of ticks and no task behind it."""

import os

from celery import Celery
from celery.signals import beat_init

from orchestra_portal.celery import keep_connections
from orchestra_portal.schedule import SCHEDULE

os.environ["DJANGO_SETTINGS_MODULE"] = "orchestra_portal.beat_settings"

app = Celery("orchestra_portal.beat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
beat_init.connect(keep_connections)
