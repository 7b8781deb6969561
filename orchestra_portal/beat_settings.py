"""
The settings of beat: the schedule's rows and nothing else.

Beat puts names into the broker; what they stand for is loaded by the worker. Half its memory was
pages it never serves.
"""

from orchestra_portal.settings import *  # noqa: F403 - the portal's own, then less of them

INSTALLED_APPS = ["django.contrib.contenttypes", "django_celery_beat"]
MIDDLEWARE = []
TEMPLATES = []
ROOT_URLCONF = ""
CELERY_BEAT_SCHEDULER = "orchestra_portal.beat_scheduler:Scheduler"
