"""The Celery application of web and worker. Tasks are thin: they load by id and call a runner."""

import os

from celery import Celery
from celery.signals import worker_init

from orchestra_portal import broker

# Seconds a process that asks all its life keeps one connection.
CONNECTION_AGE = 60

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra_portal.settings")

broker.register()
app = Celery("orchestra_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def keep_connections(**_: object) -> None:
    """
    Worker and beat ask every few seconds for as long as they live; a connection for each question
    would be much of what an idle portal costs. The web's threads come and go: theirs close.
    """
    from django.db import connections  # noqa: PLC0415 - needs the finished settings

    for settings in connections.settings.values():
        settings["CONN_MAX_AGE"] = CONNECTION_AGE
